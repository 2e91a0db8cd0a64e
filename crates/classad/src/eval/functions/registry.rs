//! Which functions there are.
//!
//! A call is resolved once, when its text is read; a name that is not here parses and is an error
//! when it is evaluated.

use crate::Expr;
use crate::eval::functions::{
    contexts, convert, environments, lists, math, regexes, string_lists, strings, times, types,
    versions,
};
use crate::eval::{Evaluator, Scope, Val};

/// How every function is called: with its arguments unevaluated, because some do not evaluate all
/// of them.
pub(crate) type Body = fn(&mut Evaluator<'_>, &[Expr], &Scope) -> Val;

/// A function that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Function(usize);

impl Function {
    /// Finds a function by its name, in whatever case.
    pub(crate) fn by_name(name: &str) -> Option<Function> {
        let same = |known: &str| known.len() == name.len() && known.eq_ignore_ascii_case(name);
        TABLE.iter().position(|(known, _)| same(known)).map(Function)
    }

    pub(crate) fn call(self, evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
        (TABLE[self.0].1)(evaluator, args, scope)
    }

    /// Whether two calls with equal arguments may differ, or reach outside the ads.
    pub(crate) fn is_volatile(self) -> bool {
        let (name, _) = TABLE[self.0];
        matches!(name, "random" | "time" | "currentTime" | "dayTime" | "debug")
    }

    /// Whether the function looks at its arguments as expressions, or at the ad it stands in.
    pub(crate) fn needs_context(self) -> bool {
        let (name, _) = TABLE[self.0];
        matches!(name, "eval" | "unparse" | "unresolved" | "evalInEachContext" | "countMatches")
    }
}

/// The name of every function, as the manual spells it.
pub fn function_names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, _)| *name)
}

/// Every function, grouped as in the manual.
static TABLE: &[(&str, Body)] = &[
    // types
    ("isUndefined", types::is_undefined),
    ("isError", types::is_error),
    ("isBoolean", types::is_boolean),
    ("isInteger", types::is_integer),
    ("isReal", types::is_real),
    ("isString", types::is_string),
    ("isAbstime", types::is_abs_time),
    ("isReltime", types::is_rel_time),
    ("isList", types::is_list),
    ("isClassAd", types::is_class_ad),
    ("ifThenElse", types::if_then_else),
    ("debug", types::debug),
    // conversion
    ("int", convert::int),
    ("real", convert::real),
    ("string", convert::string),
    ("bool", convert::bool),
    // numbers
    ("floor", math::floor),
    ("ceil", math::ceiling),
    ("ceiling", math::ceiling),
    ("round", math::round),
    ("pow", math::pow),
    ("quantize", math::quantize),
    ("random", math::random),
    // text
    ("strcat", strings::strcat),
    ("join", strings::join),
    ("substr", strings::substr),
    ("strcmp", strings::strcmp),
    ("stricmp", strings::stricmp),
    ("toUpper", strings::to_upper),
    ("toLower", strings::to_lower),
    ("size", strings::size),
    ("split", strings::split),
    ("splitUserName", strings::split_user_name),
    ("splitSlotName", strings::split_slot_name),
    // regular expressions
    ("regexp", regexes::regexp),
    ("regexps", regexes::regexps),
    ("replace", regexes::replace),
    ("replaceAll", regexes::replace_all),
    ("regexpMember", regexes::regexp_member),
    ("stringList_regexpMember", regexes::string_list_regexp_member),
    // lists
    ("member", lists::member),
    ("identicalMember", lists::identical_member),
    ("anyCompare", lists::any_compare),
    ("allCompare", lists::all_compare),
    ("sum", lists::sum),
    ("avg", lists::avg),
    ("min", lists::min),
    ("max", lists::max),
    // lists in strings
    ("stringListSize", string_lists::size),
    ("stringListSum", string_lists::sum),
    ("stringListAvg", string_lists::avg),
    ("stringListMin", string_lists::min),
    ("stringListMax", string_lists::max),
    ("stringListMember", string_lists::member),
    ("stringListIMember", string_lists::i_member),
    ("stringListSubsetMatch", string_lists::subset_match),
    ("stringListISubsetMatch", string_lists::i_subset_match),
    ("stringListsIntersect", string_lists::intersect),
    // versions
    ("versioncmp", versions::versioncmp),
    ("versionGT", versions::version_gt),
    ("versionGE", versions::version_ge),
    ("versionLT", versions::version_lt),
    ("versionLE", versions::version_le),
    ("versionEQ", versions::version_eq),
    ("version_in_range", versions::version_in_range),
    // time
    ("time", times::time),
    ("currentTime", times::current_time),
    ("timezoneOffset", times::timezone_offset),
    ("dayTime", times::day_time),
    ("absTime", times::abs_time),
    ("relTime", times::rel_time),
    ("interval", times::interval),
    ("splitTime", times::split_time),
    ("formatTime", times::format_time),
    ("getYear", times::get_year),
    ("getMonth", times::get_month),
    ("getDayOfYear", times::get_day_of_year),
    ("getDayOfMonth", times::get_day_of_month),
    ("getDayOfWeek", times::get_day_of_week),
    ("getDays", times::get_days),
    ("getHours", times::get_hours),
    ("getMinutes", times::get_minutes),
    ("getSeconds", times::get_seconds),
    ("getUseconds", times::get_useconds),
    // expressions and contexts
    ("eval", contexts::eval),
    ("unparse", contexts::unparse),
    ("unresolved", contexts::unresolved),
    ("evalInEachContext", contexts::eval_in_each_context),
    ("countMatches", contexts::count_matches),
    // environments, arguments, users
    ("envV1ToV2", environments::env_v1_to_v2),
    ("mergeEnvironment", environments::merge_environment),
    ("argsToList", environments::args_to_list),
    ("listToArgs", environments::list_to_args),
    ("userHome", environments::user_home),
    ("userMap", environments::user_map),
];
