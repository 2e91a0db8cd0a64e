//! The job's standard streams.

use model::attr;

use super::Job;
use crate::site::FileKind;
use model::diagnostic::Diagnostic;

const NULL_FILE: &str = "/dev/null";

/// A stream: its keyword, its attribute, and what says whether it is streamed and transferred.
struct Stream {
    keyword: &'static str,
    attr: &'static str,
    stream_keyword: &'static str,
    stream_attr: &'static str,
    transfer_keyword: &'static str,
    transfer_attr: &'static str,
}

const STREAMS: [Stream; 3] = [
    Stream {
        keyword: "input",
        attr: attr::IN,
        stream_keyword: "stream_input",
        stream_attr: attr::STREAM_IN,
        transfer_keyword: "transfer_input",
        transfer_attr: attr::TRANSFER_IN,
    },
    Stream {
        keyword: "output",
        attr: attr::OUT,
        stream_keyword: "stream_output",
        stream_attr: attr::STREAM_OUT,
        transfer_keyword: "transfer_output",
        transfer_attr: attr::TRANSFER_OUT,
    },
    Stream {
        keyword: "error",
        attr: attr::ERR,
        stream_keyword: "stream_error",
        stream_attr: attr::STREAM_ERR,
        transfer_keyword: "transfer_error",
        transfer_attr: attr::TRANSFER_ERR,
    },
];

impl Job<'_> {
    pub(super) fn set_streams(&mut self) -> Result<(), Diagnostic> {
        // HTCondor 25.14 looks at no stream's file at submit, whatever `skip_filechecks` says.
        if self.interactive.is_some() {
            return STREAMS.iter().try_for_each(|stream| self.set_no_stream(stream));
        }
        STREAMS.iter().try_for_each(|stream| self.set_stream(stream))
    }

    /// An interactive job speaks to its user's terminal (HTCondor 25.14). The lines are read, so
    /// that they are no typos.
    fn set_no_stream(&mut self, stream: &Stream) -> Result<(), Diagnostic> {
        for keyword in [stream.keyword, stream.stream_keyword, stream.transfer_keyword] {
            self.text(keyword)?;
        }
        self.ad.set(stream.attr, NULL_FILE);
        self.ad.set(stream.transfer_attr, false);
        Ok(())
    }

    fn set_stream(&mut self, stream: &Stream) -> Result<(), Diagnostic> {
        let path = self.text(stream.keyword)?.unwrap_or_else(|| NULL_FILE.to_owned());
        let transferred = self.truth(stream.transfer_keyword)?.unwrap_or(true) && path != NULL_FILE;
        if transferred
            && stream.keyword == "input"
            && self.scope.site.file_kind(&self.absolute(&path)) == Ok(FileKind::Other)
        {
            return Err(self.endless(stream.keyword, &path));
        }
        let streamed = self.truth(stream.stream_keyword)?.unwrap_or(false);
        self.ad.set(stream.attr, path);
        if transferred {
            self.ad.set(stream.stream_attr, streamed);
        } else {
            self.ad.set(stream.transfer_attr, false);
        }
        Ok(())
    }
}
