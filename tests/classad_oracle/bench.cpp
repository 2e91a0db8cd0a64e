// The reference's side of `cargo xtask bench classad`: the wheel's C++ library (PyPI: htcondor), with the loop in C++.
//
// The wheel has no headers, so the few functions are named by their symbols; the bench builds this file.
// In:  texts, each ended by the character 0x1e: the Requirements, a job ad and a machine ad in the old syntax, the same two in
//      the new, and then any number of machine ads in the old syntax; an empty text ends them. Then lines: the number of an
//      operation (see `measure`), and for how many milliseconds it is repeated.
// Out: for each line, the operations per second of processor time.

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <string>
#include <vector>

struct Ad;
struct Tree;

extern "C" {
void parser_new(void *) asm("_ZN7classad13ClassAdParserC1Ev");
Tree *parse_expression(void *, const std::string &, bool)
    asm("_ZN7classad13ClassAdParser15ParseExpressionERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEEb");
Ad *parse_ad(void *, const std::string &, bool)
    asm("_ZN7classad13ClassAdParser12ParseClassAdERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEEb");
void delete_ad(Ad *) asm("_ZN7classad7ClassAdD0Ev");
void clear_ad(Ad *) asm("_ZN7classad7ClassAd5ClearEv");
bool read_old(const char *, Ad &) asm("_Z16initAdFromStringPKcRN7classad7ClassAdE");
bool evaluate(Tree *, Ad *, Ad *, void *, int, const std::string &, const std::string &)
    asm("_Z12EvalExprTreePN7classad8ExprTreeEPNS_7ClassAdES3_RNS_5ValueENS4_9ValueTypeERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEESE_");
}

// The deleting destructor is the second entry of the table of virtual functions.
static void delete_tree(Tree *tree) { (*reinterpret_cast<void (***)(Tree *)>(tree))[1](tree); }

// Larger than the objects really are.
static char parser[65536];
static char value[1024];

static std::string next_text() {
    std::string text;
    std::getline(std::cin, text, '\x1e');
    return text;
}

static double seconds() {
    timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

int main() {
    std::ios::sync_with_stdio(false);
    parser_new(parser);
    const std::string requirements = next_text(), job_old = next_text(), machine_old = next_text();
    const std::string job_new = next_text(), machine_new = next_text(), none;
    Tree *expression = parse_expression(parser, requirements, true);
    Ad *job = parse_ad(parser, job_new, true), *scratch = parse_ad(parser, "[]", true);
    std::vector<Ad *> machines;
    for (std::string text = next_text(); !text.empty(); text = next_text()) {
        machines.push_back(parse_ad(parser, "[]", true));
        if (!read_old(text.c_str(), *machines.back())) return 1;
    }
    if (!expression || !job || machines.empty()) return 1;
    size_t next = 0;
    auto read = [&](const std::string &text) {
        clear_ad(scratch);
        read_old(text.c_str(), *scratch);
    };
    auto once = [&](int operation) {
        switch (operation) {
        case 0: delete_tree(parse_expression(parser, requirements, true)); break;
        case 1: read(job_old); break;
        case 2: read(machine_old); break;
        case 3: delete_ad(parse_ad(parser, job_new, true)); break;
        case 4: delete_ad(parse_ad(parser, machine_new, true)); break;
        case 5:
            evaluate(expression, job, machines[next], value, 0xffff, none, none);
            next = (next + 1) % machines.size();
            break;
        }
    };
    int operation = 0, milliseconds = 0;
    while (std::cin >> operation >> milliseconds) {
        double start = seconds(), elapsed = 0;
        long calls = 0;
        do {
            for (int repeat = 0; repeat < 100; repeat++) once(operation);
            calls += 100;
            elapsed = seconds() - start;
        } while (elapsed * 1000 < milliseconds);
        std::cout << calls / elapsed << std::endl;
    }
    // The library's own destructors need more of the daemons than is here.
    _Exit(0);
}
