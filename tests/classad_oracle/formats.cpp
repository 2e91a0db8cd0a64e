// What the reference's C++ library prints for an ad in each of its formats but the new syntax (which Python shows), for grammar/corpus/classad/formats.jsonl.
//
// The wheel (PyPI: htcondor) has no headers, so the few functions are named by their symbols. Build it against the wheel's
// libraries, found by `python3 -c "import classad2; print(classad2.__file__)"` and then in ../htcondor.libs:
//
//     g++ -O1 formats.cpp -o formats -L$LIBS -l:libclassad-*.so.25.14.1 -l:libcondor_utils_*.so -Wl,-rpath,$LIBS \
//         -Wl,--allow-shlib-undefined
//
// In:  an ad in the new syntax on each line. Out: for each, four texts: old, JSON, JSON on one line, XML; each ends with
// the character 0x1e and a newline.

#include <cstdlib>
#include <iostream>
#include <string>

extern "C" {
void parser_new(void *) asm("_ZN7classad13ClassAdParserC1Ev");
void *parse(void *, const std::string &, bool)
    asm("_ZN7classad13ClassAdParser12ParseClassAdERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEEb");
int print_old(std::string &, const void *, const void *, const void *, int)
    asm("_Z8sPrintAdRNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEERKN7classad7ClassAdEPK8flat_setIS4_NS6_12CaseIgnLTStrEESE_7SortHow");
int print_json(std::string &, const void *, const void *, bool)
    asm("_Z14sPrintAdAsJsonRNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEERKN7classad7ClassAdEPK8flat_setIS4_NS6_12CaseIgnLTStrEEb");
int print_xml(std::string &, const void *, const void *)
    asm("_Z13sPrintAdAsXMLRNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEERKN7classad7ClassAdEPK8flat_setIS4_NS6_12CaseIgnLTStrEE");
}

static void put(const std::string &text) { std::cout << text << "\x1e\n"; }

int main() {
    // Larger than the object really is.
    static char parser[65536];
    parser_new(parser);
    std::string line;
    while (std::getline(std::cin, line)) {
        const void *ad = parse(parser, line, true);
        if (!ad) {
            std::cerr << "not an ad: " << line << "\n";
            return 1;
        }
        std::string old, json, json_line, xml;
        print_old(old, ad, nullptr, nullptr, 0);
        print_json(json, ad, nullptr, false);
        print_json(json_line, ad, nullptr, true);
        print_xml(xml, ad, nullptr);
        for (const std::string *text : {&old, &json, &json_line, &xml}) put(*text);
    }
    std::cout.flush();
    // The library's own destructors need more of the daemons than is here.
    _Exit(0);
}
