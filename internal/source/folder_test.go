package source

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func write(t testing.TB, name, body string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
}

func base(keys []string) (names []string) {
	for _, k := range keys {
		names = append(names, k[strings.LastIndex(k, "/")+1:])
	}
	return names
}

func TestFolderTakesWhatLooksLikeALog(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{
		"a.json", "b.JSON.GZ", "c.jsonl", "d.ndjson.gz", "e.gz", "README.md", "x.tsv", "ORIGIN.txt", "y.log", ".hidden.json",
		"no ending", "f \xff\xfe.json",
	} {
		write(t, filepath.Join(root, name), "x")
	}
	objects, keys := list(t, parse(t, root, Deps{}), time.Time{}, time.Time{})
	if diff := cmp.Diff([]string{"a.json", "b.JSON.GZ", "c.jsonl", "d.ndjson.gz", "e.gz", "f \xff\xfe.json"}, base(keys)); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
	if got := readAll(t, parse(t, root, Deps{}), objects[5]); got != "x" {
		t.Errorf("the name that is not UTF-8 reads %q", got)
	}
}

// Keys do not depend on the working directory, so that the ledger knows a file
// again from another one.
func TestFolderKeysAreAbsolute(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "in", "a.json"), "x")
	_, want := list(t, parse(t, filepath.Join(root, "in"), Deps{}), time.Time{}, time.Time{})
	t.Chdir(root)
	for _, spec := range []string{"in", "./in/", "in/../in"} {
		_, keys := list(t, parse(t, spec, Deps{}), time.Time{}, time.Time{})
		if diff := cmp.Diff(want, keys); diff != "" {
			t.Errorf("%s (-want +got):\n%s", spec, diff)
		}
	}
}

func TestFolderLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege")
	}
	root := t.TempDir()
	elsewhere := filepath.Join(t.TempDir(), "real.json")
	write(t, elsewhere, "linked")
	write(t, filepath.Join(root, "in", "a.json"), "x")
	for from, to := range map[string]string{
		"in/b.json": elsewhere, "in/loop": root, "in/self.json": "self.json", "link": filepath.Join(root, "in"),
	} {
		if err := os.Symlink(to, filepath.Join(root, from)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(filepath.Join(root, "in")) // a socket's name must be short
	socket, err := net.Listen("unix", "socket.json")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for _, spec := range []string{root, filepath.Join(root, "in"), filepath.Join(root, "link")} {
		var names []string
		var errs int
		for o, err := range parse(t, spec, Deps{}).List(t.Context(), Bounds{}) {
			if err != nil {
				errs++ // self.json leads to itself
				continue
			}
			names = append(names, o.Key[strings.LastIndex(o.Key, "/")+1:])
		}
		if diff := cmp.Diff([]string{"a.json", "b.json"}, names); diff != "" || errs != 1 {
			t.Errorf("%s: %d errors, listed (-want +got):\n%s", spec, errs, diff)
		}
	}
}

func TestFileNamedDirectlyIsTaken(t *testing.T) {
	name := filepath.Join(t.TempDir(), "111122223333_CloudTrail-Digest_eu-west-1_20261103T1205Z.txt")
	write(t, name, "whatever")
	s := parse(t, name, Deps{})
	objects, _ := list(t, s, day(20), day(21))
	if len(objects) != 1 || objects[0].Key != filepath.ToSlash(name) || readAll(t, s, objects[0]) != "whatever" {
		t.Errorf("%+v", objects)
	}
}

func TestUnreadableFolderDoesNotCostTheRest(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root reads everything")
	}
	root := t.TempDir()
	write(t, filepath.Join(root, "a", "a.json"), "x")
	write(t, filepath.Join(root, "b.json"), "x")
	if err := os.Chmod(filepath.Join(root, "a"), 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(filepath.Join(root, "a"), 0o755)
	var got, errs int
	for _, err := range parse(t, root, Deps{}).List(t.Context(), Bounds{}) {
		if err != nil {
			errs++
		} else {
			got++
		}
	}
	if got != 1 || errs != 1 {
		t.Errorf("%d listed, %d errors", got, errs)
	}
}

func TestStdin(t *testing.T) {
	s := parse(t, "-", Deps{Stdin: strings.NewReader("all of it")})
	objects, _ := list(t, s, day(1), day(2))
	if diff := cmp.Diff([]Object{{Key: "-", Size: -1}}, objects); diff != "" {
		t.Error(diff)
	}
	if got := readAll(t, s, objects[0]); got != "all of it" {
		t.Errorf("read %q", got)
	}
	if _, err := s.Open(t.Context(), objects[0]); err == nil {
		t.Error("standard input opened twice")
	}
}

func TestParseErrors(t *testing.T) {
	for spec, want := range map[string]string{
		"":                    `source "": want a folder, a file, -, s3://bucket[/prefix] or sqs:URL`,
		"lookup-events":       `source "lookup-events": this version of athenatrail reads folders, files, -, s3://bucket[/prefix] and sqs:URL`,
		"https://example.com": `source "https://example.com": want a folder, a file, -, s3://bucket[/prefix] or sqs:URL`,
		"s3://":               `source "s3://": bucket "": want s3://bucket[/prefix]`,
		"s3://Bad_Name/x":     `source "s3://Bad_Name/x": bucket "Bad_Name": want s3://bucket[/prefix]`,
		"/no/such/folder":     `source /no/such/folder: no such file or directory`,
	} {
		if _, err := Parse(t.Context(), spec, Deps{}); err == nil || err.Error() != want {
			t.Errorf("Parse(%q): %v, want %s", spec, err, want)
		}
	}
}

func TestNoLogsIsASentence(t *testing.T) {
	root := t.TempDir()
	var errs []error
	for _, err := range parse(t, root, Deps{}).List(t.Context(), Bounds{}) {
		errs = append(errs, err)
	}
	want := "source " + root + ": no log files: nothing in it ends in .json, .jsonl, .ndjson or .gz"
	if len(errs) != 1 || !errors.Is(errs[0], ErrNoLogs) || errs[0].Error() != want {
		t.Errorf("errors %v, want %q", errs, want)
	}
}
