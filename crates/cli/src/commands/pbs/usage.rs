//! How each of PBS's commands is called, in OpenPBS's words. `qsub`'s are `jobspec::pbs`'s.

pub(super) const QDEL: &str =
    "usage:\n\tqdel [-W force|suppress_email=X] [-x] job_identifier...\n\tqdel --version\n";

pub(super) const QALTER: &str =
    "usage: qalter [-a date_time] [-A account_string] [-c interval] [-e path]
\t[-h hold_list] [-j y|n] [-k keep] [-l resource_list]
\t[-m mail_options] [-M user_list] [-N jobname] [-o path] [-p priority]
\t[-R o|e|oe] [-r y|n] [-S path] [-u user_list] [-W dependency_list]
\t[-P project_name] job_identifier...
       qalter --version
";

pub(super) const QHOLD: &str =
    "usage: qhold [-h hold_list] job_identifier...\n       qhold --version\n";

pub(super) const QRLS: &str =
    "usage: qrls [-h hold_list] job_identifier...\n       qrls --version\n";

pub(super) const QSIG: &str = "usage: qsig [-s signal] job_identifier...\n       qsig --version\n";

pub(super) const QRERUN: &str =
    "usage: qrerun [-W force] job_identifier...\n       qrerun --version\n";

pub(super) const QMSG: &str =
    "usage: qmsg [-O] [-E] msg_string job_identifier...\n       qmsg --version\n";

pub(super) const QSELECT: &str =
    "usage: qselect [-a [op]date_time] [-A account_string] [-c [op]interval]
\t[-h hold_list] [-H] [-J] [-l resource_list] [-N name] [-p [op]priority]
\t[-q destination] [-r y|n] [-s states] [-t subopt[op]date_time] [-T] [-P project_name]
\t[-x] [-u user_name]
       qselect --version
";

pub(super) const QMOVE: &str =
    "usage: qmove destination job_identifier...\n       qmove --version\n";

pub(super) const QORDER: &str =
    "usage: qorder job_identifier job_identifier\n       qorder --version\n";

pub(super) const QRUN: &str = "usage: qrun [-a] [-H vnode_specification ] job_identifier_list\n       qrun [-a] [-H - ] job_identifier_list\n       qrun --version\n";

pub(super) const QENABLE: &str = "Usage: qenable [queue][@server] ...\n       qenable --version\n";

pub(super) const QDISABLE: &str =
    "Usage: qdisable [queue][@server] ...\n       qdisable --version\n";

pub(super) const QSTART: &str = "Usage: qstart [queue][@server] ...\n       qstart --version\n";

pub(super) const QSTOP: &str = "Usage: qstop [queue][@server] ...\n       qstop --version\n";

pub(super) const QSTAT: &str = "usage: 
qstat [-f] [-J] [-p] [-t] [-x] [-E] [-F format | -w] [-D delim] [ job_identifier... | destination... ]
qstat [-a|-i|-r|-H|-T] [-J] [-t] [-u user] [-n] [-s] [-G|-M] [-1] [-w]
\t[ job_identifier... | destination... ]
qstat -Q [-f] [-F format] [-D delim] [ destination... ]
qstat -q [-G|-M] [ destination... ]
qstat -B [-f] [-F format] [-D delim] [ server_name... ]
qstat --version
";

pub(super) const QMGR: &str = "usage: qmgr [-a] [-c command] [-e] [-n] [-z] [server...]
       qmgr --version
";

pub(super) const PBSNODES: &str = "usage:\tpbsnodes [-{o|r}][-C comment][-s server] host host ...
\tpbsnodes -l [-s server]
\tpbsnodes [-s server] -v vnode vnode ...
\tpbsnodes -a[v][S[j][L]][-F format][-D delim][-s server]
\tpbsnodes -[H][S[j][L]][-F format][-D delim] host host ...
\tpbsnodes --version

";

pub(super) const PBS_RSUB: &str = "\
usage: pbs_rsub [-I seconds] [-m mail_points] [-M mail_list]
                [-N reservation_name] [-u user_list] [-g group_list]
                [-U auth_user_list] [-G auth_group_list] [-H auth_host_list]
                [-R start_time] [-E end_time] [-D duration] [-q destination]
                [-r rrule_expression] [-W otherattributes=value...]
                -l resource_list | --hosts host1 [... hostn]
       pbs_rsub --version
";

pub(super) const PBS_RSTAT: &str =
    "usage:\n\tpbs_rstat [-fFBS] [reservation_id...]\n\tpbs_rstat --version\n";

pub(super) const PBS_RDEL: &str =
    "usage:\n\tpbs_rdel [-q destination] reservation_id...\n\tpbs_rdel --version\n";

pub(super) const PBS_RALTER: &str = "\
usage: pbs_ralter [-I seconds] [-m mail_points] [-M mail_list]
                [-N reservation_name] [-R start_time] [-E end_time]
                [-D duration] [-U auth_user_list] [-G auth_group_list]
                [-l select=select_spec] reservation_id
       pbs_ralter --version
";

pub(super) const PBS_ACCOUNTING: &str = "usage: pbs_accounting [-f] [-d folder]
   -f : go on, and write records as things happen
   -d : where the files are [default: accounting in the pool's folder]
";

pub(super) const TRACEJOB: &str =
    "USAGE: tracejob [-a|s|l|m|v] [-w size] [-p path] [-n days] [-f filter_type] job_identifier...
   -p : path to PBS_HOME (not used here)
   -w : number of columns of your terminal
   -n : number of days in the past to look for job(s) [default: all that is recorded]
   -f : filter out types of log entries (not used here)
   -z : toggle filtering excessive messages (not used here)
   -c : what message count is considered excessive (not used here)
   -a : don't use accounting log files
   -s : don't use server log files
   -l : don't use scheduler log files
   -m : don't use mom log files
   -v : verbose mode - show more error messages

       tracejob --version
   --version : display version only

";

pub(super) const PBSDSH: &str = "Usage: pbsdsh [-c copies][-s][-v][-o] -- program [args...]
       pbsdsh [-n node_index][-s][-v][-o] -- program [args...]
       pbsdsh --version
Where -c copies =  run a copy of \"program\" on the first \"copies\" nodes,
      -n node_index = run a copy of \"program\" on the \"node_index\"-th node,
      -s = forces synchronous execution,
      -v = forces verbose output.
      -o = no obits are waited for.
";

pub(super) const PBS_TMRSH: &str =
    "usage: pbs_tmrsh [-n][-l username] host [-n][-l username] command
       pbs_tmrsh --version
";
