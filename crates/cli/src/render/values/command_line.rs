//! A job's command as the CMD column shows it: how the job is described (`description`), if it is;
//! else the name of the program and its arguments.

use model::attr;

use crate::render::values::view::View;

/// The command of a job.
pub(crate) fn of_job(job: View<'_>) -> String {
    if let Some(description) = job.text(attr::JOB_DESCRIPTION).filter(|text| !text.is_empty()) {
        return format!("({description})");
    }
    let program = job.text(attr::CMD).unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default().to_owned();
    // As they stand in the ad: condor_submit quotes them sparingly there.
    let old_style = || job.text(attr::ARGS).map(|old| old.trim().to_owned());
    let arguments = job.text(attr::ARGUMENTS).or_else(old_style).unwrap_or_default();
    if arguments.is_empty() { name } else { format!("{name} {arguments}") }
}

#[cfg(test)]
mod tests {
    use classad::ClassAd;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::render::values::view::Moment;

    #[test]
    fn a_description_stands_in_place_of_the_command() {
        let moment = Moment::new(0, TimeZone::UTC);
        for (more, shown) in [
            ("", "run -v"),
            ("JobDescription = \"\"", "run -v"),
            ("JobDescription = \"my fit\"", "(my fit)"),
        ] {
            let text = format!("[ Cmd = \"/bin/run\"; Arguments = \"-v\"; {more} ]");
            let ad = ClassAd::parse_new(&text).unwrap();
            assert_eq!(of_job(View::new(&ad, &moment)), shown, "{more}");
        }
    }

    #[test]
    fn arguments_are_shown_as_they_stand_in_the_ad() {
        let moment = Moment::new(0, TimeZone::UTC);
        for (attribute, shown) in [
            ("Arguments = \"'it''s' x 'a b'\"", "run 'it''s' x 'a b'"),
            ("Arguments = \"it''''s x a' 'b\"", "run it''''s x a' 'b"),
            ("Args = \" 10 \"", "run 10"),
            ("Args = \"\"", "run"),
        ] {
            let ad = ClassAd::parse_new(&format!("[ Cmd = \"/bin/run\"; {attribute} ]")).unwrap();
            assert_eq!(of_job(View::new(&ad, &moment)), shown, "{attribute}");
        }
    }
}
