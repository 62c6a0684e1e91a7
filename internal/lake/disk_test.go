package lake_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/internal/lake"
)

// helperVariable names what a copy of this test's binary is to do instead of
// testing.
const helperVariable = "ATHENATRAIL_TEST_LAKE_HELPER"

func TestMain(m *testing.M) {
	switch job, dir, _ := strings.Cut(os.Getenv(helperVariable), ":"); job {
	case "":
		os.Exit(m.Run())
	case "count":
		exitWith(countInProcess(dir))
	case "replace":
		exitWith(replaceInProcess(dir))
	}
}

func exitWith(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// helper starts a copy of this test's binary.
func helper(t *testing.T, job, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperVariable+"="+job+":"+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

const incrementsInProcess = 100

func countInProcess(dir string) error {
	store, err := lake.OpenStore(dir)
	if err != nil {
		return err
	}
	for range incrementsInProcess {
		if err := store.Update(background, "a/counter", increment); err != nil {
			return err
		}
	}
	return nil
}

// TestDiskProcesses counts in several processes at once.
func TestDiskProcesses(t *testing.T) {
	dir := t.TempDir()
	const processes = 4
	var commands []*exec.Cmd
	for range processes {
		cmd := helper(t, "count", dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		commands = append(commands, cmd)
	}
	for _, cmd := range commands {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "a", "counter"))
	if err != nil || string(data) != strconv.Itoa(processes*incrementsInProcess) {
		t.Errorf("counter is %q, %v, want %d", data, err, processes*incrementsInProcess)
	}
}

// blockOf is the contents that replaceInProcess writes for the nth time: its
// number, then a length of the same letter that depends on the number.
func blockOf(n int) []byte {
	return append([]byte(fmt.Sprintf("%d\n", n)), bytes.Repeat([]byte{byte('a' + n%26)}, 200_000+n%7*50_000)...)
}

func replaceInProcess(dir string) error {
	store, err := lake.OpenStore(dir)
	if err != nil {
		return err
	}
	for {
		err := store.Update(background, "a/b/file", func(old []byte) ([]byte, error) {
			number, _, _ := bytes.Cut(old, []byte("\n"))
			n, _ := strconv.Atoi(string(number))
			return blockOf(n + 1), nil
		})
		if err != nil {
			return err
		}
	}
}

// TestDiskKill kills a process that is replacing a file, again and again. The
// file is always one that was written whole, nothing it held is lost, its lock
// is free, and what is left lying about is not listed.
func TestDiskKill(t *testing.T) {
	dir := t.TempDir()
	last, leftovers := 0, 0
	for round := range 30 {
		cmd := helper(t, "replace", dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(30+round*3) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		data, err := os.ReadFile(filepath.Join(dir, "a", "b", "file"))
		if os.IsNotExist(err) && last == 0 {
			continue // killed before its first write
		}
		if err != nil {
			t.Fatal(err)
		}
		number, _, _ := bytes.Cut(data, []byte("\n"))
		n, err := strconv.Atoi(string(number))
		if err != nil || !bytes.Equal(data, blockOf(n)) {
			t.Fatalf("round %d: the file is neither old nor new: %d bytes, beginning %.20q", round, len(data), data)
		}
		if n < last {
			t.Fatalf("round %d: the file went back from %d to %d", round, last, n)
		}
		last = n
	}
	if last == 0 {
		t.Fatal("no process got to write")
	}
	store := openDir(t, dir)
	if keys := keysOf(t, store, ""); len(keys) != 1 {
		t.Errorf("listed: %q", keys)
	}
	filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if strings.HasPrefix(entry.Name(), ".tmp-") {
			leftovers++
		}
		return err
	})
	t.Logf("%d writes, %d temporary files left", last, leftovers)
}

// TestDiskLeftovers removes temporary files that are old, and those only.
func TestDiskLeftovers(t *testing.T) {
	dir := t.TempDir()
	old, fresh := filepath.Join(dir, "a", ".tmp-old"), filepath.Join(dir, "a", ".tmp-fresh")
	if err := os.Mkdir(filepath.Join(dir, "a"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{old, fresh} {
		if err := os.WriteFile(path, []byte("half a fi"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	store := openDir(t, dir)
	if keys := keysOf(t, store, ""); len(keys) != 0 {
		t.Errorf("listed: %q", keys)
	}
	if err := store.Put(t.Context(), "a/b", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("the old temporary file is still there: %v", err)
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("the fresh temporary file, perhaps another process's: %v", err)
	}
}

// TestDiskFolders leaves no empty folder behind.
func TestDiskFolders(t *testing.T) {
	dir := t.TempDir()
	store := openDir(t, dir)
	for _, key := range []string{"a/b/c/1", "a/b/2"} {
		if err := store.Put(t.Context(), key, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Delete(t.Context(), "a/b/c/1"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "a", "b", "c")); !os.IsNotExist(err) {
		t.Errorf("a/b/c: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "a", "b", "2")); err != nil {
		t.Error(err)
	}
	if err := store.Delete(t.Context(), "a/b/2"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "a")); !os.IsNotExist(err) {
		t.Errorf("a: %v", err)
	}
}

func TestOpenStoreFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := lake.OpenStore(path); err == nil || !strings.Contains(err.Error(), "want a folder") {
		t.Errorf("%v", err)
	}
}
