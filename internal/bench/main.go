// Command bench measures athenatrail against what it is to be compared with,
// all of them in one run and in turn, each in a process of its own, on a trail
// that it generates: inflating the log files and nothing else, DuckDB's
// read_json, encoding/json. These machines are shared, so what counts is the
// ratios. It writes the table in docs/performance.md.
//
//	go run ./internal/bench                 the reference trail: 150 files, 1.9 GB of JSON
//	go run ./internal/bench -files 15       a tenth of it
//
// With -pages it generates lakes instead, and times the dashboard over them:
//
//	go run ./internal/bench -pages 100000,10000000
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/athenatrail/athenatrail/internal/demo"
)

// A contender is one way to read the trail.
type contender struct {
	name    string
	what    string
	command []string // of this program; LAKE stands for a new folder
	program bool     // athenatrail itself
}

var contenders = []contender{
	{"inflate, klauspost", "klauspost/compress/gzip inflates every file, two at a time, and nothing else", []string{"-child", "klauspost"}, false},
	{"inflate, ours", "internal/inflate does the same", []string{"-child", "inflate"}, false},
	{"athenatrail collect", "reads, inflates, finds, decodes, stores facts, derives tables", []string{"collect", "--no-details", "--quiet", "--jobs", "2", "--lake", "LAKE", "--source"}, true},
	{"DuckDB read_json", "selects the records of Athena, STS and Lake Formation with read_json, and stores nothing", []string{"-child", "duckdb"}, false},
	{"encoding/json", "decodes every record into a struct of five fields, two files at a time", []string{"-child", "encoding/json"}, false},
}

// A run is what one process took.
type run struct {
	wall, cpu time.Duration
	peak      int64 // bytes
}

func main() {
	var (
		files  = flag.Int("files", 150, "log files to generate, of 8,000 events each")
		rounds = flag.Int("rounds", 3, "runs of each contender")
		keep   = flag.String("data", "bench-data", "where the trail is, or will be")
		only   = flag.String("only", "", "run the contenders whose name contains this")
		child  = flag.String("child", "", "be that contender")
		doc    = flag.String("doc", "docs/performance.md", "the page whose table is written; empty for none")
	)
	pages := flag.String("pages", "", "time the dashboard over lakes of so many executions, such as 100000,10000000, and nothing else")
	flag.Parse()
	if *pages != "" {
		if err := benchPages(*pages, *keep, *only, *doc); err != nil {
			fail(err)
		}
		return
	}
	if *child != "" {
		if err := beChild(*child, flag.Arg(0)); err != nil {
			fail(err)
		}
		return
	}
	if err := bench(*files, *rounds, *keep, *only, *doc); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "bench: error:", err)
	os.Exit(1)
}

func bench(files, rounds int, data, only, doc string) error {
	trail := filepath.Join(data, fmt.Sprintf("trail-%d", files))
	if _, err := os.Stat(trail); err != nil {
		fmt.Fprintln(os.Stderr, "bench: generating the trail")
		if _, err := demo.WriteBenchTrail(trail+".tmp", demo.BenchOptions{Files: files}); err != nil {
			return err
		}
		if err := os.Rename(trail+".tmp", trail); err != nil {
			return err
		}
	}
	size, err := treeSize(trail)
	if err != nil {
		return err
	}
	program, err := buildProgram(data)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	runs := make([][]run, len(contenders))
	for round := range rounds {
		for i, c := range contenders {
			if !strings.Contains(c.name, only) {
				continue
			}
			path := self
			if c.program {
				path = program
			}
			r, err := measure(path, c, trail, data)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			fmt.Fprintf(os.Stderr, "bench: round %d: %-20s %6.2f s, %6.2f s of CPU, %4d MB\n", round+1, c.name, r.wall.Seconds(), r.cpu.Seconds(), r.peak>>20)
			runs[i] = append(runs[i], r)
		}
	}
	table := render(runs, files, size)
	fmt.Print(table)
	if doc == "" || only != "" {
		return nil
	}
	return replace(doc, "collect", table)
}

// benchPages times the dashboard over lakes of some sizes.
func benchPages(sizes, data, only, doc string) error {
	var tables []string
	for _, size := range strings.Split(sizes, ",") {
		n, err := strconv.Atoi(size)
		if err != nil || n < 1 {
			return fmt.Errorf("-pages %s: want numbers of executions", sizes)
		}
		table, err := measurePages(context.Background(), data, n, only)
		if err != nil {
			return err
		}
		tables = append(tables, table)
	}
	text := strings.Join(tables, "\n")
	fmt.Print(text)
	if doc == "" || only != "" {
		return nil
	}
	return replace(doc, "pages", text)
}

// buildProgram builds athenatrail and returns where it is.
func buildProgram(data string) (string, error) {
	program := filepath.Join(data, "athenatrail")
	if out, err := exec.Command("go", "build", "-o", program, "./cmd/athenatrail").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build athenatrail: %w: %s", err, out)
	}
	return program, nil
}

func measure(path string, c contender, trail, data string) (run, error) {
	lake := filepath.Join(data, "lake")
	if err := os.RemoveAll(lake); err != nil {
		return run{}, err
	}
	defer os.RemoveAll(lake)
	args := slices.Clone(c.command)
	for i := range args {
		if args[i] == "LAKE" {
			args[i] = lake
		}
	}
	cmd := exec.Command(path, append(args, trail)...)
	cmd.Stderr = os.Stderr
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return run{}, err
	}
	r := run{wall: time.Since(begin), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.peak = u.Maxrss << 10
	}
	return r, nil
}

func treeSize(dir string) (size int64, err error) {
	err = filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			size += info.Size()
		}
		return err
	})
	return size, err
}

// median returns the middle of what f gives for each run.
func median[T int64 | time.Duration](runs []run, f func(run) T) T {
	var all []T
	for _, r := range runs {
		all = append(all, f(r))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func render(runs [][]run, files int, size int64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d log files of 8,000 events, %d MB of gzip; %d cores, %s/%s, %s. Medians of %d runs in turn; the ratio is of wall time to the first line's, round by round.\n\n",
		files, size/1_000_000, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), len(runs[0]))
	b.WriteString("| what | wall | CPU | peak memory | ratio |\n|---|---:|---:|---:|---:|\n")
	for i, c := range contenders {
		if len(runs[i]) == 0 {
			continue
		}
		ratio := "–"
		if len(runs[0]) == len(runs[i]) {
			var ratios []float64
			for n := range runs[i] {
				ratios = append(ratios, runs[i][n].wall.Seconds()/runs[0][n].wall.Seconds())
			}
			slices.Sort(ratios)
			ratio = fmt.Sprintf("%.2f", ratios[len(ratios)/2])
		}
		fmt.Fprintf(&b, "| %s: %s | %.2f s | %.2f s | %d MB | %s |\n", c.name, c.what,
			median(runs[i], func(r run) time.Duration { return r.wall }).Seconds(),
			median(runs[i], func(r run) time.Duration { return r.cpu }).Seconds(),
			median(runs[i], func(r run) int64 { return r.peak })>>20, ratio)
	}
	return b.String()
}

// replace puts text between the marks of that name in a page.
func replace(page, name, text string) error {
	data, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s: the marks %q are missing", page, name)
	}
	return os.WriteFile(page, []byte(before+begin+text+end+after), 0o644)
}
