package main

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/athenatrail/athenatrail/internal/directory/directorytest"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/report"
)

// TestScript runs the stories of testdata/script, each in a folder of its own.
// In every one lies trail/, the invented trail of testdata/trail.txtar. Beside
// testscript's own commands they use those of scriptCommands.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Setup:               setupScript,
		Cmds:                scriptCommands,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
	})
}

func setupScript(env *testscript.Env) error {
	env.Values[snapshotsKey{}] = map[string]map[string]string{}
	env.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, ".cache"))
	archive, err := txtar.ParseFile("testdata/trail.txtar")
	if err != nil {
		return err
	}
	for _, f := range archive.Files {
		name := filepath.Join(env.WorkDir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(name, f.Data, 0o666); err != nil {
			return err
		}
	}
	// CloudTrail and Athena of this week, for what is asked of Athena: it
	// forgets after 45 days, so a fixed date will not do.
	start := weekday()
	env.Setenv("DAY", start.Format(time.DateOnly))
	env.Setenv("NEXTDAY", start.AddDate(0, 0, 1).Format(time.DateOnly))
	return writeRecent(filepath.Join(env.WorkDir, "recent"), start)
}

// weekday is the day of the recent trail: some days ago.
func weekday() time.Time { return time.Now().UTC().AddDate(0, 0, -4).Truncate(24 * time.Hour) }

var scriptCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	// exits CODE PROGRAM ARGS: runs a program that has to end with the code.
	"exits": func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) < 2 {
			ts.Fatalf("usage: exits CODE PROGRAM [ARG...]")
		}
		want, err := strconv.Atoi(args[0])
		ts.Check(err)
		got := 0
		if err := ts.Exec(args[1], args[2:]...); err != nil {
			exit := (*exec.ExitError)(nil)
			if !errors.As(err, &exit) {
				ts.Fatalf("%v", err)
			}
			got = exit.ExitCode()
		}
		if got != want {
			ts.Fatalf("exit code %d, want %d", got, want)
		}
	},

	// athena [throttled|denied|finished|lists|lists-one-more]: starts the Athena
	// API of the recent trail and points the SDK at it, as a user of account
	// 111122223333.
	"athena": func(ts *testscript.TestScript, neg bool, args []string) {
		config := recentAPI(weekday(), len(args) == 1 && args[0] == "finished")
		if len(args) == 1 && args[0] == "denied" {
			config.Deny = func(c athenaapitest.Call) bool { return c.Operation == "BatchGetQueryExecution" }
		}
		if len(args) == 1 && strings.HasPrefix(args[0], "lists") {
			listRecent(&config, weekday(), args[0] == "lists-one-more")
		}
		api, err := athenaapitest.Start(config)
		ts.Check(err)
		ts.Defer(func() { api.Close() })
		for _, kv := range athenaEnv(api.URL) {
			name, value, _ := strings.Cut(kv, "=")
			ts.Setenv(name, value)
		}
	},

	// directory [denied|units-denied]: starts an Identity Center and an
	// organization and points the SDK at them, after athena.
	"directory": func(ts *testscript.TestScript, neg bool, args []string) {
		config := directorytest.Config{
			Stores: []directorytest.Store{{ID: "d-0123456789", Region: recentRegion, Users: []directorytest.User{{
				ID: "d2f0c4a4-0000-4000-8000-000000000001", UserName: "rosa", DisplayName: "Rosa", Emails: []directorytest.Email{{Value: "Rosa@example.com", Primary: true}},
			}}}},
			Accounts: []directorytest.Account{{ID: recentAccount, Name: "analytics", OU: "Root/Production/Data"}},
			Managers: []string{recentAccount},
			Keys:     map[string]string{recentKey: recentAccount},
		}
		switch {
		case len(args) == 1 && args[0] == "denied":
			config.Deny = func(string, string) bool { return true }
		case len(args) == 1 && args[0] == "units-denied":
			config.Deny = func(operation, _ string) bool { return operation == "ListRoots" }
		}
		server := directorytest.Start(config)
		ts.Defer(server.Close)
		ts.Setenv("AWS_ENDPOINT_URL_IDENTITYSTORE", server.URL)
		ts.Setenv("AWS_ENDPOINT_URL_ORGANIZATIONS", server.URL)
	},

	// signed DIR: writes a trail with digest files, what head-object tells of
	// them, and keys.json with the public keys.
	"signed": func(ts *testscript.TestScript, neg bool, args []string) {
		ts.Check(writeSigned(ts.MkAbs(args[0])))
	},

	// gzipped FILE TO: compresses a file.
	"gzipped": func(ts *testscript.TestScript, neg bool, args []string) {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write([]byte(ts.ReadFile(args[0])))
		ts.Check(w.Close())
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), b.Bytes(), 0o666))
	},

	// cut FILE N: leaves the first N bytes of a file.
	"cut": func(ts *testscript.TestScript, neg bool, args []string) {
		n, err := strconv.ParseInt(args[1], 10, 64)
		ts.Check(err)
		ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
	},

	// zeros FILE N: writes N zero bytes.
	"zeros": func(ts *testscript.TestScript, neg bool, args []string) {
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(args[0]), make([]byte, n), 0o666))
	},

	// bomb FILE N: writes N blanks as gzip.
	"bomb": func(ts *testscript.TestScript, neg bool, args []string) {
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write(bytes.Repeat([]byte(" "), n))
		ts.Check(w.Close())
		ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o666))
	},

	// corrupt FILE: changes a byte among the values of a Parquet file's largest
	// column.
	"corrupt": func(ts *testscript.TestScript, neg bool, args []string) {
		name := ts.MkAbs(args[0])
		data, err := os.ReadFile(name)
		ts.Check(err)
		file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
		ts.Check(err)
		var size, end int64
		for _, c := range file.Metadata().RowGroups[0].Columns {
			if m := c.MetaData; m.TotalCompressedSize > size {
				// A chunk ends with the values of its last page.
				size, end = m.TotalCompressedSize, m.DataPageOffset+m.TotalCompressedSize
				if m.DictionaryPageOffset > 0 {
					end = m.DictionaryPageOffset + m.TotalCompressedSize
				}
			}
		}
		data[end-1] ^= 0xff
		ts.Check(os.WriteFile(name, data, 0o666))
	},

	// [!] samelake A B: facts and tables of two lakes have the same bytes.
	"samelake": func(ts *testscript.TestScript, neg bool, args []string) {
		d := differences(lakeFiles(ts, args[0]), lakeFiles(ts, args[1]))
		switch {
		case neg && d == "":
			ts.Fatalf("%s and %s are the same", args[0], args[1])
		case !neg && d != "":
			ts.Fatalf("%s and %s differ:\n%s", args[0], args[1], d)
		}
	},

	// snapshot LAKE ... unchanged LAKE: no file of facts and tables was
	// written in between, not even with the same bytes.
	"snapshot": func(ts *testscript.TestScript, neg bool, args []string) {
		ts.Value(snapshotsKey{}).(map[string]map[string]string)[args[0]] = written(ts, args[0])
	},
	"unchanged": func(ts *testscript.TestScript, neg bool, args []string) {
		if d := differences(ts.Value(snapshotsKey{}).(map[string]map[string]string)[args[0]], written(ts, args[0])); d != "" {
			ts.Fatalf("%s was written:\n%s", args[0], d)
		}
	},

	// views: runs every view in every format over the week of the recent trail.
	// A table fits its names; the other formats parse and have the same rows.
	"views": func(ts *testscript.TestScript, neg bool, args []string) {
		for _, name := range append(viewNames(), "health") {
			n := -1
			for _, f := range format.Formats {
				args := []string{"report", name, "--output", string(f), "--from", ts.Getenv("DAY"), "--limit", "0"}
				if name == "usage" {
					args = append(args, "--by", "person,day")
				}
				ts.Check(ts.Exec("athenatrail", args...))
				got, err := rowsIn(f, ts.ReadFile("stdout"))
				if err != nil {
					ts.Fatalf("%s as %s: %v", name, f, err)
				}
				switch {
				case got < 0: // a table: people count
				case n < 0:
					n = got
				case got != n:
					ts.Fatalf("%s has %d rows as %s, and %d otherwise", name, got, f, n)
				}
			}
			if n <= 0 && !slices.Contains(emptyViews, name) {
				ts.Fatalf("%s has no rows", name)
			}
		}
	},

	// noescapes: neither stdout nor stderr of the last program has a control
	// character that a terminal would obey.
	"noescapes": func(ts *testscript.TestScript, neg bool, args []string) {
		for _, name := range []string{"stdout", "stderr"} {
			if i := strings.IndexFunc(ts.ReadFile(name), func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f || r == 0x9b || r == 0x202e }); i >= 0 {
				ts.Fatalf("%s has a control character at byte %d", name, i)
			}
		}
	},
}

// emptyViews have no rows of the recent trail, which holds no refusal, no job of
// a tool, no notebook and nothing to be found fault with; nor is it told who
// holds access.
var emptyViews = []string{"denied", "jobs", "notebooks", "calculations", "findings", "unused-access"}

// snapshotsKey is where a script keeps its snapshots, by the lake's name.
type snapshotsKey struct{}

// lakeFiles returns the files of a lake's facts and tables with their bytes.
func lakeFiles(ts *testscript.TestScript, name string) map[string]string {
	return filesOf(ts, name, func(path string, _ os.FileInfo) (string, error) {
		data, err := os.ReadFile(path)
		return string(data), err
	})
}

// written returns the files with the times of their last writing.
func written(ts *testscript.TestScript, name string) map[string]string {
	return filesOf(ts, name, func(_ string, info os.FileInfo) (string, error) {
		return info.ModTime().String(), nil
	})
}

func filesOf(ts *testscript.TestScript, name string, value func(string, os.FileInfo) (string, error)) map[string]string {
	files := map[string]string{}
	for _, part := range []string{"facts", "tables"} {
		root := filepath.Join(ts.MkAbs(name), part)
		ts.Check(filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
			if err != nil || info.IsDir() {
				return err
			}
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			v, err := value(path, info)
			files[part+"/"+filepath.ToSlash(rel)] = v
			return err
		}))
	}
	if len(files) == 0 {
		ts.Fatalf("%s has no files", name)
	}
	return files
}

func viewNames() (names []string) {
	for _, v := range report.Views() {
		if v.Argument == "" {
			names = append(names, v.Name)
		}
	}
	return names
}

// rowsIn parses what a view printed, and returns how many rows it has; -1 for
// a table.
func rowsIn(f format.Format, text string) (int, error) {
	switch f {
	case format.CSV:
		lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		return len(lines) - 1, err
	case format.JSON:
		var page struct{ Rows []map[string]any }
		err := json.Unmarshal([]byte(text), &page)
		return len(page.Rows), err
	case format.JSONL:
		n := 0
		for line := range strings.Lines(text) {
			var row map[string]any
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				return 0, err
			}
			n++
		}
		return n, nil
	case format.Markdown:
		n := -2 // names, and the line below them
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "|") {
				n++
			}
		}
		if n == -2 && strings.Contains(text, "nothing found") {
			return 0, nil
		}
		if n < 0 {
			return 0, errors.New("no table")
		}
		return n, nil
	}
	if strings.TrimSpace(text) == "" {
		return 0, errors.New("nothing was printed")
	}
	return -1, nil
}
