package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/s3test"
)

// soak is the environment variable that makes the long tests as long as they
// should be before a release: make soak sets it to 1.
const soak = "ATHENATRAIL_SOAK"

func soaking() bool { return os.Getenv(soak) == "1" }

// TestMain makes the test binary all the programs that the tests run: under
// the name athenatrail it is the program itself, so nothing has to be built
// first and what is tested is main.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"athenatrail":    main,
		pinnedProgram:    pinnedMain,
		measuringProgram: measuringMain,
	})
}

// program returns a command that runs one of TestMain's programs, in an
// environment that has nothing of this machine's AWS settings.
func program(t testing.TB, ctx context.Context, name string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Args[0] = name
	cmd.Dir = t.TempDir()
	cmd.Env = append(cleanEnv(cmd.Dir), env...)
	return cmd
}

// cleanEnv is the environment of a program that has no AWS settings and finds
// none.
func cleanEnv(home string) []string {
	env := []string{"AWS_EC2_METADATA_DISABLED=true", "HOME=" + home, "USERPROFILE=" + home, "XDG_CACHE_HOME=" + home}
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case strings.HasPrefix(name, "AWS_"), strings.HasPrefix(name, "ATHENATRAIL_"):
		case name == "HOME", name == "USERPROFILE", name == "XDG_CACHE_HOME":
		default:
			env = append(env, kv)
		}
	}
	return env
}

// A result is how a program ended.
type result struct {
	code           int
	stdout, stderr string
}

// run runs the program to its end.
func run(t testing.TB, env []string, args ...string) result {
	t.Helper()
	return ended(t, program(t, t.Context(), "athenatrail", env, args...))
}

// ended runs a command and tells how it ended, exit code -1 for a signal.
func ended(t testing.TB, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Errorf("run %s: %v", cmd.Args[0], err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// mustEnd fails the test unless a program ended with an exit code.
func (r result) mustEnd(t testing.TB, code int) result {
	t.Helper()
	if r.code != code {
		t.Fatalf("exit code %d, want %d\nstdout: %s\nstderr: %s", r.code, code, r.stdout, r.stderr)
	}
	return r
}

// rows decodes JSON lines.
func rows[T any](t testing.TB, text string) (out []T) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	for d.More() {
		var row T
		if err := d.Decode(&row); err != nil {
			t.Fatalf("read JSON lines: %v", err)
		}
		out = append(out, row)
	}
	return out
}

// The environment that points the SDK at an S3 server.
func s3Env(server *s3test.Server, endpoint string) []string {
	return []string{
		"AWS_ENDPOINT_URL_S3=" + endpoint, "AWS_REGION=" + server.Region,
		"AWS_ACCESS_KEY_ID=" + server.AccessKey, "AWS_SECRET_ACCESS_KEY=" + server.SecretKey,
	}
}

func diskLake(t testing.TB, dir string) lake.Store {
	t.Helper()
	store, err := lake.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func s3Lake(t testing.TB, server *s3test.Server, bucket, prefix string) lake.Store {
	t.Helper()
	store, err := lake.NewS3Store(server.Client(), bucket, prefix)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// contents returns the hashes of what has to be the same in two lakes of the
// same records: facts and tables, and which days still carry a mark or have
// open gaps.
func contents(t testing.TB, store lake.Store) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, prefix := range []string{"facts/", "tables/", "_ledger/v1/open/"} {
		for f, err := range store.List(t.Context(), prefix) {
			if err != nil {
				t.Fatal(err)
			}
			data, err := store.Read(t.Context(), f.Key)
			if err != nil {
				t.Fatal(err)
			}
			files[f.Key] = hash(data)
		}
	}
	return files
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// mustBeSound fails the test if a mark is left, or if verification finds
// anything.
func mustBeSound(t testing.TB, store lake.Store) {
	t.Helper()
	l, err := lake.Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	marks, err := l.Marks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range marks {
		t.Errorf("a mark is left on %s", m.Partition)
	}
	for p := range lake.Verify(t.Context(), l, "") {
		t.Errorf("verify: %s", p)
	}
}

// differences names the files in which two lakes differ, a few of them.
func differences(want, got map[string]string) string {
	var lines []string
	for key, sum := range want {
		switch other, ok := got[key]; {
		case !ok:
			lines = append(lines, "missing: "+key)
		case other != sum:
			lines = append(lines, "differs: "+key)
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			lines = append(lines, "too much: "+key)
		}
	}
	if n := len(lines); n > 12 {
		lines = append(lines[:12], fmt.Sprintf("and %d more", n-12))
	}
	return strings.Join(lines, "\n")
}

// mustEqual fails the test if two lakes differ.
func mustEqual(t testing.TB, want, got map[string]string) {
	t.Helper()
	if d := differences(want, got); d != "" {
		t.Fatalf("another lake:\n%s", d)
	}
}
