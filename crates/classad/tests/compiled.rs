//! Compiled Requirements give the same answers as evaluating them machine by machine.

use std::sync::Arc;

use classad::compiled::{CompiledRequirements, MachineTable};
use classad::{ClassAd, Env, Expr, requirements_hold};

const MACHINES: &[&str] = &[
    "[ Memory = 100; OpSys = \"LINUX\"; Cpus = 4; HasGpu = true; Version = \"8.9.2\" ]",
    "[ Memory = 2048; OpSys = \"linux\"; Cpus = 1; Disk = 5.5 ]",
    "[ Memory = 2048.0; OpSys = \"WINDOWS\"; Cpus = Total - 1; Total = 3; Version = \"8.10.1\" ]",
    "[ Memory = \"lots\"; OpSys = 5; HasGpu = 0; Disk = TARGET.RequestDisk + 1 ]",
    "[ Memory = undefined; OpSys = error; HasGpu = undefined; Disk = -1 ]",
    "[ ]",
    "[ Memory = true; Cpus = 9007199254740993; OpSys = { 1 }; Version = 7 ]",
];

const REQUIREMENTS: &[&str] = &[
    "true",
    "undefined",
    "Memory >= RequestMemory",
    "TARGET.Memory < 500 || TARGET.HasGpu",
    "TARGET.HasGpu || TARGET.Memory < 500",
    "!(Memory > 500) && Cpus > 1",
    "!HasGpu",
    "HasGpu || HasGpu",
    "OpSys == \"Linux\" && Cpus >= 1",
    "OpSys =?= \"LINUX\"",
    "OpSys =!= \"LINUX\"",
    "OpSys != \"LINUX\"",
    "100 <= Memory",
    "Memory != 2048",
    "Memory == 2048.0",
    "Cpus == 9007199254740992",
    "versionGE(Version, \"8.10\")",
    "Disk > RequestDisk && (Memory > 10 || OpSys == \"x\" || Cpus > 0)",
    "(OpSys == \"LINUX\" || HasGpu) && !(Cpus == 1)",
    "Cpus * 2 > Memory / 1000 && isUndefined(Disk)",
    "Wanted",
    "Memory > Wished",
    "TARGET.Memory is undefined || (false && error)",
    "member(OpSys, {\"linux\", \"bsd\"})",
    "Cpus > 3 ? HasGpu : Memory > 1000",
    "stringListMember(OpSys, \"LINUX,BSD\") && CurrentTime > 3",
    "1",
    "OpSys",
];

#[test]
fn bitmaps_agree_with_evaluation_for_every_pair() {
    let machines: Vec<ClassAd> = (0..500)
        .map(|index| ClassAd::parse_new(MACHINES[index * index % MACHINES.len()]).unwrap())
        .collect();
    for prepared in [true, false] {
        let mut table = MachineTable::new();
        let rows: Vec<usize> =
            machines.iter().map(|ad| table.insert(Arc::new(ad.clone()))).collect();
        for text in REQUIREMENTS {
            let mut job = ClassAd::parse_old("RequestMemory = 500\nRequestDisk = 5\nWished = TARGET.Cpus * 100\nWanted = MY.Wished > 200\n").unwrap();
            job.set("Requirements", Expr::parse(text).unwrap());
            let env = Env::at(7);
            let compiled = CompiledRequirements::new(Arc::new(job.clone()), &env);
            if prepared {
                table.prepare(&compiled);
            }
            let found = compiled.eval_all(&table);
            for (row, machine) in rows.iter().zip(&machines) {
                let expected = requirements_hold(&job, machine, &env);
                assert_eq!(found.contains(*row), expected, "{text} on {machine:?}");
                assert_eq!(
                    compiled.eval_row(&table, *row),
                    expected,
                    "{text} on {machine:?}, one row"
                );
            }
        }
    }
}

#[test]
fn a_changed_row_is_seen_and_a_removed_one_is_not() {
    let mut table = MachineTable::new();
    let job = ClassAd::parse_old("Requirements = TARGET.Memory >= 100\n").unwrap();
    let compiled = CompiledRequirements::new(Arc::new(job), &Env::at(0));
    table.prepare(&compiled);
    let ad = |text: &str| Arc::new(ClassAd::parse_old(text).unwrap());
    let (first, second) = (table.insert(ad("Memory = 200\n")), table.insert(ad("Memory = 50\n")));
    assert_eq!(compiled.eval_all(&table).iter().collect::<Vec<_>>(), [first]);
    table.update(second, ad("Memory = 150\n"));
    assert_eq!(compiled.eval_all(&table).len(), 2);
    table.remove(first);
    assert_eq!(compiled.eval_all(&table).iter().collect::<Vec<_>>(), [second]);
    assert_eq!(table.insert(ad("Memory = 500\n")), first);
    assert_eq!(compiled.eval_all(&table).len(), 2);
}
