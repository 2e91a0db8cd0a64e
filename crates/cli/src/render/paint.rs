//! Colour: what stands out in what people read. Lines are painted when they are laid out and cut,
//! so that columns stay in line. Whether there is any colour at all, `line::output` decides; under
//! HTCondor's names there never is.

use anstyle::{AnsiColor, Style};

use crate::render::visible::visible;

/// What a piece of text is to whoever reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    /// The line of headings.
    Heading,
    /// Somebody has to do something: a held job.
    Bad,
    /// It works: a running job.
    Good,
    /// It may change by itself: a job that waits.
    Waiting,
    /// It is over, or explains what stands before it.
    Faint,
}

/// Whether text is painted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paint {
    /// It is not.
    #[default]
    Off,
    On,
}

impl Tone {
    const fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Heading => Style::new().bold(),
            Self::Bad => AnsiColor::Red.on_default(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Waiting => AnsiColor::Yellow.on_default(),
            Self::Faint => Style::new().dimmed(),
        }
    }
}

impl Paint {
    /// The text of one line in that tone. What users have written into it paints nothing.
    pub fn text(self, tone: Tone, text: &str) -> String {
        let text = visible(text);
        if self == Self::Off || tone == Tone::Plain || text.is_empty() {
            return text;
        }
        let style = tone.style();
        format!("{style}{text}{style:#}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_painted_only_where_colour_is_wanted() {
        for (paint, tone, expected) in [
            (Paint::Off, Tone::Bad, "held"),
            (Paint::On, Tone::Plain, "held"),
            (Paint::On, Tone::Bad, "\u{1b}[31mheld\u{1b}[0m"),
        ] {
            assert_eq!(paint.text(tone, "held"), expected, "{paint:?} {tone:?}");
        }
        assert_eq!(Paint::Off.text(Tone::Bad, "\u{1b}[31mred\r"), "^[[31mred^M");
        assert_eq!(Paint::On.text(Tone::Bad, ""), "");
    }
}
