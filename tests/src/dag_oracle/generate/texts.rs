//! The programs that nodes and scripts run, and the submit files. They write what happens into the
//! file `runs`, in the folder of the case or above.

/// `node.sh NAME RETRY PROC CODES`: ends with the code of its attempt; from the second round on
/// with 0, but for codes that end in `!`. `hang` ends when there is a file `stop`.
pub const NODE_SH: &str = r#"#!/bin/sh
while [ ! -e runs ]; do cd ..; done
round=$(cat round)
echo "$round job $1 $2 $3 begin" >> runs
n=$(($2 + 1))
code=$(echo "$4" | cut -d, -f$n)
[ -n "$code" ] || code=${4##*,}
case $code in
*!) code=${code%!} ;;
*) [ "$round" = 1 ] || code=0 ;;
esac
case $code in
hang) while [ ! -e stop ]; do sleep 0.2; done; code=0 ;;
kill) echo "$round job $1 $2 $3 end kill" >> runs; kill -KILL $$ ;;
esac
echo "$round job $1 $2 $3 end $code" >> runs
exit $code
"#;

/// `script.sh KIND NODE RETRY CODES WORDS...`: the same of a script. `defer` is 7 the first time,
/// and 0 then.
pub const SCRIPT_SH: &str = r#"#!/bin/sh
where=$(basename "$PWD")
while [ ! -e runs ]; do cd ..; done
round=$(cat round)
kind=$1 node=$2 retry=$3 codes=$4
shift 4
echo "$round $kind $node $retry begin $where $*" >> runs
echo "$kind of $node"
echo "try $retry" >&2
n=$((retry + 1))
code=$(echo "$codes" | cut -d, -f$n)
[ -n "$code" ] || code=${codes##*,}
case $code in
defer) code=0; [ -e "deferred-$round-$kind-$node-$retry" ] || code=7; : > "deferred-$round-$kind-$node-$retry" ;;
*!) code=${code%!} ;;
*) [ "$round" = 1 ] || code=0 ;;
esac
echo "$round $kind $node $retry end $code" >> runs
exit $code
"#;

/// `env.sh NODE`: a script that tells what of the DAG's own environment reaches it.
pub(super) const ENV_SH: &str = r#"#!/bin/sh
while [ ! -e runs ]; do cd ..; done
echo "$(cat round) environment of $1: $ORACLE,$SECOND,$INNER" >> runs
"#;

/// A submit file of so many jobs.
pub(in crate::dag_oracle) fn submit_file(jobs: u64) -> String {
    let queue = if jobs == 1 { "queue\n".to_owned() } else { format!("queue {jobs}\n") };
    description() + &queue
}

/// The same without its `queue`.
pub(super) fn description() -> String {
    "universe = scheduler\nexecutable = node.sh\n\
     arguments = $(JOB) $(RETRY) $(Process) $(codes:0)\n"
        .to_owned()
}
