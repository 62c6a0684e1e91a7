package athenatrail_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the documents say of this repository is looked up in it: paths exist,
// and command lines name commands, views and flags that the program has.

var documents = []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/how-it-knows.md", "docs/configuration.md", "docs/notebooks.md", "docs/privacy.md", "docs/sql.md", "docs/export.md", "docs/deploy.md", "docs/limits.md", "docs/dashboard.md", "docs/notifications.md", "docs/anomalies.md", "docs/estimate.md", "docs/verify.md", "docs/trust.md", "docs/releasing.md", "docs/compaction.md", "docs/engines.md", "docs/quicksight.md", "docs/performance.md", "docs/scale.md"}

func readDocument(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var (
	fence     = regexp.MustCompile("(?ms)^```.*?^```")
	inline    = regexp.MustCompile("`([^`\n]+)`")
	link      = regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)
	pathForm  = regexp.MustCompile(`^[A-Za-z0-9._*][A-Za-z0-9._*/-]*$`)
	fileForm  = regexp.MustCompile(`\.(go|md|sh)$`)
	wellKnown = []string{"Makefile", "LICENSE", "go.mod", "go.sum"}
)

// elsewhere begins paths that lie in a lake, in a trail, on the web, or among
// what is built, and not in this repository.
var elsewhere = []string{"facts/", "tables/", "_ledger/", "_locks/", "_private/", "_aside/", "AWSLogs/", "CloudTrail/", "github.com/", "golang.org/", "athenatrail/", "bin/", "./"}

// isPath reports whether a text in backquotes looks like a path of this
// repository.
func isPath(s string) bool {
	if slices.Contains(wellKnown, s) {
		return true
	}
	if !pathForm.MatchString(s) || slices.ContainsFunc(elsewhere, func(p string) bool { return strings.HasPrefix(s, p) }) {
		return false
	}
	return strings.Contains(s, "/") || fileForm.MatchString(s)
}

func TestPathsInDocumentsExist(t *testing.T) {
	for _, name := range documents {
		text := readDocument(t, name)
		found := 0
		check := func(path, in string) {
			found++
			matches, err := filepath.Glob(path)
			if err != nil || len(matches) == 0 {
				t.Errorf("%s: %s: there is no such path", name, in)
			}
		}
		for _, m := range inline.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			if isPath(m[1]) {
				check(m[1], m[0])
			}
		}
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(m[1], "://") {
				check(filepath.Join(filepath.Dir(name), m[1]), m[0])
			}
		}
		if found == 0 && name != "CHANGELOG.md" {
			t.Errorf("%s: no path was found in it", name)
		}
	}
}

func TestLongDocumentsStayShort(t *testing.T) {
	for _, name := range []string{"README.md", "ARCHITECTURE.md"} {
		if lines := strings.Count(readDocument(t, name), "\n"); lines >= 200 {
			t.Errorf("%s has %d lines: want fewer than 200", name, lines)
		}
	}
}

// TestProgramIsAsDocumented builds the program and compares it with what the
// documents say of it.
func TestProgramIsAsDocumented(t *testing.T) {
	if err := lookAtSources(); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "athenatrail")
	if out, err := exec.Command("go", "build", "-o", program, "./cmd/athenatrail").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	t.Run("command lines", func(t *testing.T) { commandLinesParse(t, program) })
	t.Run("session", func(t *testing.T) { sessionReproduces(t, program) })
}

// commandLinesParse asks the program's own help whether it has what the
// documents tell people to type.
func commandLinesParse(t *testing.T, program string) {
	helps := map[string]string{}
	help := func(command string) string {
		if _, ok := helps[command]; !ok {
			out, err := exec.Command(program, append(strings.Fields(command), "--help")...).CombinedOutput()
			if err != nil {
				t.Fatalf("athenatrail %s --help: %v\n%s", command, err, out)
			}
			helps[command] = string(out)
		}
		return helps[command]
	}
	lines := 0
	for _, name := range documents {
		for _, line := range commandLines(readDocument(t, name)) {
			lines++
			if problem := wrongCommand(line, help); problem != "" {
				t.Errorf("%s: %s: %s", name, line, problem)
			}
		}
	}
	if lines < 20 {
		t.Errorf("found %d command lines", lines)
	}
	for line, want := range map[string]string{
		"athenatrail colect --source x":        `no command "colect"`,
		"athenatrail collect --sauce x":        "no flag --sauce",
		"athenatrail report user --limit 3":    `no view "user"`,
		"athenatrail lake polish":              `no command "polish"`,
		"athenatrail report users -z 3":        "no flag -z",
		"athenatrail report users --by=person": "",
	} {
		if got := wrongCommand(line, help); got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
}

// commandLines returns the lines of a document that run athenatrail: those of
// its blocks, fenced or indented, and those in backquotes.
func commandLines(text string) (lines []string) {
	const name = "athenatrail "
	for _, block := range fence.FindAllString(text, -1) {
		block = strings.ReplaceAll(block, "\\\n", " ")
		for line := range strings.SplitSeq(block, "\n") {
			line = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
			if i := strings.Index(line, "| "+name); i >= 0 {
				line = line[i+2:]
			}
			if line = strings.TrimPrefix(line, "bin/"); strings.HasPrefix(line, name) {
				lines = append(lines, line)
			}
		}
	}
	rest := fence.ReplaceAllString(text, "")
	for _, m := range indented.FindAllStringSubmatch(rest, -1) {
		lines = append(lines, m[1])
	}
	for _, m := range inline.FindAllStringSubmatch(rest, -1) {
		if strings.HasPrefix(m[1], name) {
			lines = append(lines, m[1])
		}
	}
	return lines
}

var (
	indented   = regexp.MustCompile(`(?m)^    (?:\$ )?((?:bin/)?athenatrail .*)$`)
	longFlag   = regexp.MustCompile(`(?m)^ +(?:-[a-z], )?--([a-z-]+)(?: ([a-z]+[A-Za-z]*)  )?`)
	shortFlag  = regexp.MustCompile(`(?m)^ +-([a-z]), --`)
	subcommand = regexp.MustCompile(`(?m)^  ([a-z-]+)  `)
)

// wrongCommand says what of a command line the program's help does not know.
func wrongCommand(line string, help func(command string) string) string {
	words := shellWords(line)[1:]
	command := ""
	for len(words) > 0 && !strings.HasPrefix(words[0], "-") {
		_, list, ok := strings.Cut(help(command), "Available Commands:")
		if !ok {
			break
		}
		list, _, _ = strings.Cut(list, "\n\n")
		known := slices.ContainsFunc(subcommand.FindAllStringSubmatch(list, -1), func(m []string) bool { return m[1] == words[0] })
		if !known {
			return `no command "` + words[0] + `"`
		}
		command = strings.TrimSpace(command + " " + words[0])
		words = words[1:]
	}
	text := help(command)
	if command == "report" && len(words) > 0 && !strings.HasPrefix(words[0], "-") && words[0] != "VIEW" &&
		!strings.Contains(text, "\n  "+words[0]+" ") {
		return `no view "` + words[0] + `"`
	}
	for _, word := range words {
		switch flag, _, _ := strings.Cut(word, "="); {
		case strings.HasPrefix(flag, "--"):
			if !slices.ContainsFunc(longFlag.FindAllStringSubmatch(text, -1), func(m []string) bool { return "--"+m[1] == flag }) {
				return "no flag " + flag
			}
		case len(flag) == 2 && flag[0] == '-':
			if !slices.ContainsFunc(shortFlag.FindAllStringSubmatch(text, -1), func(m []string) bool { return "-"+m[1] == flag }) {
				return "no flag " + flag
			}
		}
	}
	return ""
}

// shellWords splits a command line as a shell does, as far as its first pipe,
// redirection or comment.
func shellWords(line string) (words []string) {
	word, quote, has := "", rune(0), false
	for _, c := range line + " " {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word += string(c)
		case c == '"' || c == '\'':
			quote, has = c, true
		case c == ' ':
			if word == "|" || word == ">" || word == "&&" || strings.HasPrefix(word, "#") {
				return words
			}
			if word != "" || has {
				words = append(words, word)
			}
			word, has = "", false
		default:
			word += string(c)
		}
	}
	return words
}

var update = flag.Bool("update", false, "write what the program prints into the documents")

// session is a block of a document that shows commands and what they print.
var session = regexp.MustCompile("(?ms)^```console\n(.*?)^```")

// sessionReproduces runs what the documents show, beside the demo's lake, and
// compares what is printed. With -update it writes it there.
func sessionReproduces(t *testing.T, program string) {
	if testing.Short() {
		t.Skip("the demo takes a while")
	}
	home := t.TempDir()
	dir := home
	run := func(words []string) string {
		if words[0] == "cd" {
			dir = filepath.Join(dir, words[1])
			return ""
		}
		cmd := exec.Command(program, words[1:]...)
		cmd.Dir = dir
		cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + home}
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, stderr.String())
		}
		return strings.TrimRight(string(out), "\n")
	}
	run([]string{"athenatrail", "demo", "--no-serve", "--quiet"})
	commands := 0
	for _, name := range documents {
		dir = home
		text := readDocument(t, name)
		changed := session.ReplaceAllStringFunc(text, func(block string) string {
			body := session.FindStringSubmatch(block)[1]
			var b strings.Builder
			b.WriteString("```console\n")
			for i, part := range strings.Split("\n"+body, "\n$ ") {
				if i == 0 {
					continue
				}
				line, shown, _ := strings.Cut(part, "\n")
				shown = strings.TrimRight(shown, "\n")
				got := run(shellWords(line))
				commands++
				if shown != got && !*update {
					t.Errorf("%s shows of %q\n%s\nbut it prints\n%s", name, line, shown, got)
				}
				if i > 1 {
					b.WriteString("\n")
				}
				b.WriteString("$ " + line + "\n")
				if got != "" {
					b.WriteString(got + "\n")
				}
			}
			b.WriteString("```")
			return b.String()
		})
		if *update && changed != text {
			if err := os.WriteFile(name, []byte(changed), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if commands < 4 {
		t.Errorf("the documents show %d commands", commands)
	}
}
