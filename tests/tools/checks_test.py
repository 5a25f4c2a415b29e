"""The checks of tools/ find what they should, and leave alone what they should."""

import contextlib
import io
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))

import check  # noqa: E402
import compile_fail  # noqa: E402
import new_module  # noqa: E402
import semantics  # noqa: E402
import tidy  # noqa: E402


class Tree(unittest.TestCase):
    """A small source tree in a temporary folder."""

    def setUp(self):
        self.root = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        self.write("tools/layers.toml", (TOOLS / "layers.toml").read_text("utf-8"))

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, "utf-8")

    def run_tool(self, tool):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            code = tool(self.root)
        return code, out.getvalue()

    def assert_found(self, tool, *texts):
        code, out = self.run_tool(tool)
        self.assertEqual(code, 1, out)
        for text in texts:
            self.assertIn(text, out)

    def assert_clean(self, tool):
        code, out = self.run_tool(tool)
        self.assertEqual(code, 0, out)


class Tidy(Tree):
    def test_a_clean_tree_passes(self):
        self.write("include/odeon/core/x.hpp", "#pragma once\n\n/// Says `std::cout`; sleep(1).\n")
        self.write("src/core/x.cpp", 'const char* s = "std::thread";\n// It may end; or not.\n')
        self.assert_clean(tidy.run)

    def test_text_rules(self):
        self.write("src/core/x.cpp",
                   "int a;\t// tab\nint b; \n" + "x" * 101 + "\n// TO" "DO: later")
        self.assert_found(tidy.run, "x.cpp:1: a tab", "x.cpp:2: blanks", "x.cpp:3: 101 columns",
                          "x.cpp:4: a note to oneself", "no line break at the end")

    def test_a_header_without_a_guard_is_found(self):
        self.write("include/odeon/core/x.hpp", "int x;\n")
        self.assert_found(tidy.run, "x.hpp:1: no include guard")

    def test_commented_out_code_is_found(self):
        self.write("src/core/x.cpp", "// return a + b;\n//   queue.push(1);\n// the end;\n")
        code, out = self.run_tool(tidy.run)
        self.assertEqual((code, out.count("commented-out")), (1, 2), out)

    def test_each_seam_is_kept_outside_the_runtime(self):
        lines = ["std::this_thread::sleep_for(d);", "auto t = std::chrono::steady_clock::now();",
                 "std::thread t;", "std::random_device r;", "int s = ::socket(1, 2, 3);",
                 'auto f = std::fopen("a", "r");', "std::cout << 1;"]
        self.write("src/core/x.cpp", "\n".join(lines) + "\n")
        self.assert_found(tidy.run, *(f"x.cpp:{n + 1}: " for n in range(len(lines))))

    def test_the_runtime_is_the_seam(self):
        self.write("src/runtime/x.cpp", "std::thread t(std::chrono::steady_clock::now());\n")
        self.assert_clean(tidy.run)

    def test_a_test_may_start_threads_but_not_sleep_nor_read_a_clock(self):
        self.write("src/core/x.test.cpp", "std::thread t;\nstd::this_thread::sleep_for(d);\n"
                   "std::chrono::system_clock::now();\n")
        code, out = self.run_tool(tidy.run)
        self.assertEqual((code, out.count("error:")), (1, 2), out)

    def test_a_test_name_says_a_behaviour(self):
        self.write("src/core/x.test.cpp", 'TEST_CASE("mailbox") {}\n')
        self.assert_found(tidy.run, "names no behaviour")

    def test_an_exception_needs_a_reason_and_a_use(self):
        self.write("src/core/x.cpp", "std::thread t;\n")
        entry = '[[exception]]\nfile = "{}"\nrule = "seam-thread"\nreason = "{}"\n'
        self.write("tools/exceptions.toml", entry.format("src/core/x.cpp", "the watchdog must"))
        self.assert_clean(tidy.run)
        self.write("tools/exceptions.toml", entry.format("src/core/x.cpp", ""))
        self.assert_found(tidy.run, "has no reason")
        self.write("tools/exceptions.toml", entry.format("src/core/x.cpp", "the watchdog must") +
                   entry.format("src/core/y.cpp", "no longer so"))
        self.assert_found(tidy.run, "src/core/y.cpp (seam-thread) is not needed")

    def test_a_long_file_is_only_a_warning(self):
        self.write("src/core/x.cpp", "int i;\n" * 451)
        code, out = self.run_tool(tidy.run)
        self.assertEqual(code, 0)
        self.assertIn("451 lines, more than 450", out)


class Check(Tree):
    def test_a_module_may_include_what_stands_below_it(self):
        self.write("src/core/CMakeLists.txt", "odeon_module(core DEPENDS task)\n")
        self.write("src/task/CMakeLists.txt", "odeon_module(task DEPENDS base)\n")
        self.write("src/core/x.cpp",
                   "#include <odeon/base/error.hpp>\n#include <odeon/task/t.hpp>\n"
                   '#include "internal/y.hpp"\n#include <vector>\n')
        self.write("src/core/internal/y.hpp", "#pragma once\n")
        self.assert_clean(check.run)

    def test_an_arrow_that_points_up_is_found(self):
        self.write("src/task/CMakeLists.txt", "odeon_module(task)\n")
        self.write("src/task/x.cpp", "\n#include <odeon/core/actor.hpp>\n")
        self.assert_found(check.run, "src/task/x.cpp:2: 'task' includes 'core', but may include "
                          "only base, runtime")

    def test_a_missing_depends_is_found(self):
        self.write("src/core/CMakeLists.txt", "odeon_module(core DEPENDS base PACKAGES task)\n")
        self.write("src/core/x.cpp", "#include <odeon/task/task.hpp>\n")
        self.assert_found(check.run, "'task' is not in DEPENDS of src/core/CMakeLists.txt")

    def test_only_tests_include_the_test_kit(self):
        self.write("src/core/CMakeLists.txt", "odeon_module(core)\n")
        self.write("src/core/x.test.cpp", "#include <odeon/testkit/probe.hpp>\n")
        self.assert_clean(check.run)
        self.write("src/core/x.cpp", "#include <odeon/testkit/probe.hpp>\n")
        self.assert_found(check.run, "src/core/x.cpp:1: 'core' includes 'testkit'")

    def test_unknown_modules_and_the_umbrella_are_found(self):
        self.write("src/core/CMakeLists.txt", "odeon_module(core)\n")
        self.write("src/core/x.cpp", "#include <odeon/cor/x.hpp>\n#include <odeon/odeon.hpp>\n")
        self.write("include/odeon/odeon.hpp", "#include <odeon/net/x.hpp>\n")
        self.write("src/pastry/x.cpp", "\n")
        self.assert_found(check.run, "no module 'cor'", "<odeon/odeon.hpp> inside the library",
                          "'net' is not part of the umbrella", "module 'pastry' is not in")

    def test_public_headers_keep_their_packages_to_themselves(self):
        self.write("src/core/CMakeLists.txt", "odeon_module(core)\n")
        self.write("include/odeon/core/fwd.hpp", "#include <mutex>\n#include <boost/json.hpp>\n"
                   "#include <thread>\n#include <threads.h>\n")
        code, out = self.run_tool(check.run)
        self.assertEqual((code, out.count("in a public header")), (1, 3), out)

    def test_a_package_has_owners(self):
        self.write("src/core/CMakeLists.txt", "odeon_module(core)\n")
        self.write("src/core/x.cpp", "#include <sqlite3.h>\n")
        self.assert_found(check.run, "<sqlite3.h> belongs to persistence")

    def test_the_inside_of_a_module_stays_inside(self):
        for module in ("core", "task"):
            self.write(f"src/{module}/CMakeLists.txt", f"odeon_module({module})\n")
        self.write("src/task/internal/y.hpp", "#pragma once\n")
        self.write("src/core/x.cpp", '#include "../task/internal/y.hpp"\n'
                   '#include "task/internal/y.hpp"\n#include "task/frame.hpp"\n')
        code, out = self.run_tool(check.run)
        self.assertEqual((code, out.count("[internal]")), (1, 3), out)

    def test_a_source_of_a_public_header_has_a_test_beside_it(self):
        self.write("src/base/CMakeLists.txt", "odeon_module(base)\n")
        self.write("include/odeon/base/fwd.hpp", "\n")
        self.write("include/odeon/base/x.hpp", "\n")
        self.write("src/base/x.cpp", "\n")
        self.assert_found(check.run, "no src/base/x.test.cpp beside it")
        self.write("src/base/x.test.cpp", "\n")
        self.assert_clean(check.run)
        (self.root / "src/base/x.test.cpp").rename(self.root / "src/base/other.test.cpp")
        self.assert_found(check.run, "no src/base/x.test.cpp beside it")
        self.write("src/base/other.test.cpp", "#include <odeon/base/x.hpp>\n")
        self.assert_clean(check.run)

    def test_a_module_has_its_forward_declarations_and_its_target(self):
        self.write("include/odeon/base/x.hpp", "\n")
        self.assert_found(check.run, "no fwd.hpp", "src/base: no CMakeLists.txt")

    def test_the_graph_itself_has_no_circle(self):
        text = (TOOLS / "layers.toml").read_text("utf-8")
        self.write("tools/layers.toml", text.replace('runtime = ["base"]', 'runtime = ["core"]'))
        self.assert_found(check.run, "'runtime' names 'core'")

    def test_a_new_module_passes_the_checks_but_not_its_test(self):
        with contextlib.redirect_stdout(io.StringIO()):
            new_module.main(["telemetry", "counter", "base"], self.root)
        self.assert_clean(check.run)
        self.assert_clean(tidy.run)
        self.assertIn("FAIL(", (self.root / "src/telemetry/counter.test.cpp").read_text("utf-8"))

    def test_a_new_module_outside_the_layers_is_refused(self):
        for arguments in (["pastry", "x"], ["base", "x", "core"], ["base", "X"]):
            with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()):
                new_module.main(arguments, self.root)


class Semantics(Tree):
    PAGE = "docs/reference/semantics.md"

    def setUp(self):
        super().setUp()
        self.write("src/core/x.test.cpp", 'TEST_CASE("a first thing holds") {}\n'
                   'TEST_CASE(\n    "a second "\n    "thing holds (S2)") {}\n')

    def test_without_the_page_there_is_nothing_to_check(self):
        self.assertEqual(self.run_tool(semantics.run)[0], 77)

    def test_a_page_that_agrees_with_the_tests_passes(self):
        self.write(self.PAGE, '### S1 one\n\nText.\n\nTests: "a first thing\nholds".\n\n'
                   '### S2 two\nTests: "a second thing holds (S2)"\n')
        self.assert_clean(semantics.run)

    def test_what_disagrees_is_found(self):
        self.write(self.PAGE, '### S1 one\nTests: "a thing nobody tests"\n### S3 three\n### S1 x\n')
        self.assert_found(semantics.run, 'S1 names the test "a thing nobody tests"', "S2 left out",
                          "S3 names no test", "S1 stands twice",
                          '"a second thing holds (S2)" is not quoted at S2')


class CompileFail(unittest.TestCase):
    def test_the_sentence_of_a_static_assert_is_told_apart(self):
        said = ("In file included from x.cpp:1:\n/a/b.hpp:7:3: error: static assertion failed due "
                "to requirement 'accepts<int>': no handler for this message\n")
        self.assertEqual(compile_fail.first_sentence(said), "no handler for this message")
        self.assertEqual(compile_fail.first_sentence("x.cpp:1:2: error: no member 'y'\n"),
                         "no member 'y'")


if __name__ == "__main__":
    unittest.main()
