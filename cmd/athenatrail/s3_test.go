package main

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/athenatrail/athenatrail/internal/s3test"
)

// upload puts the log files of a folder into a bucket, under the same names,
// and returns the keys.
func upload(t testing.TB, server *s3test.Server, bucket, dir string) (keys []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		keys = append(keys, filepath.ToSlash(rel))
		server.Put(t, bucket, filepath.ToSlash(rel), data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// onDisk returns the lake of a folder's log files without details.
func onDisk(t testing.TB, trail string) (dir string, files map[string]string) {
	t.Helper()
	dir = t.TempDir()
	run(t, nil, "collect", "--source", trail, "--lake", dir, "--no-details").mustEnd(t, 0)
	return dir, contents(t, diskLake(t, dir))
}

// TestS3 takes both ends to S3: the log files of a bucket into a lake in
// another, which is that on disk, and is reported and verified as that is.
func TestS3(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	s := newStory(t, 1500, "27")
	dir, want := onDisk(t, s.trail)
	trail, lakes := server.Bucket(t), server.Bucket(t)
	keys := upload(t, server, trail, s.trail)
	env, location := s3Env(server, server.Endpoint), "s3://"+lakes+"/some/lake"
	store := s3Lake(t, server, lakes, "some/lake")

	r := run(t, env, "collect", "--source", "s3://"+trail, "--lake", location, "--no-details", "--dry-run").mustEnd(t, 0)
	if !strings.Contains(r.stderr, "would read") || len(contents(t, store)) > 0 {
		t.Errorf("a dry run said %q and left %d files", r.stderr, len(contents(t, store)))
	}
	run(t, env, "collect", "--source", "s3://"+trail, "--lake", location, "--no-details").mustEnd(t, 0)
	mustBeSound(t, store)
	mustEqual(t, want, contents(t, store))
	r = run(t, env, "collect", "--source", "s3://"+trail, "--lake", location, "--no-details").mustEnd(t, 0)
	if !strings.Contains(r.stderr, "read 0 log files") {
		t.Errorf("the second run: %s", r.stderr)
	}
	// One account's folder, and one object by its key, are known already.
	for _, source := range []string{"/AWSLogs/o-exampleorg1/111122223333/CloudTrail", "/" + keys[0]} {
		r = run(t, env, "collect", "--source", "s3://"+trail+source, "--lake", location, "--no-details").mustEnd(t, 0)
		if !strings.Contains(r.stderr, "read 0 log files") || strings.Contains(r.stderr, " 0 known") {
			t.Errorf("%s: %s", source, r.stderr)
		}
	}
	for _, args := range [][]string{
		{"report", "overview", "--from", "2026-10-20", "--to", "2026-11-01", "--output", "csv"},
		{"query", "SELECT * FROM query_executions ORDER BY event_id", "--output", "csv"},
		{"lake", "verify"},
	} {
		disk := run(t, nil, append(args, "--lake", dir)...).mustEnd(t, 0)
		if got := run(t, env, append(args, "--lake", location)...).mustEnd(t, 0); got.stdout != disk.stdout {
			t.Errorf("%v on S3:\n%s\nwant what the disk says:\n%s", args, got.stdout, disk.stdout)
		}
	}
}

// TestS3Mistakes shows what is said of a bucket that is not there, is empty,
// is elsewhere or belongs to others: one line, what to do, and no lake.
func TestS3Mistakes(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	env := s3Env(server, server.Endpoint)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-amz-bucket-region", "eu-central-1")
		s3Error(w, r, http.StatusMovedPermanently, "PermanentRedirect")
	}))
	t.Cleanup(elsewhere.Close)
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s3Error(w, r, http.StatusForbidden, "AccessDenied")
	}))
	t.Cleanup(foreign.Close)
	for name, c := range map[string]struct {
		env    []string
		bucket string
		line   string
		hint   string
	}{
		"missing bucket":    {env, "no-such-bucket-here", "the bucket does not exist", "check its name"},
		"empty bucket":      {env, server.Bucket(t), "no log files", ""},
		"wrong region":      {s3Env(server, elsewhere.URL), "bucket-elsewhere", "the bucket is in region eu-central-1", "set AWS_REGION=eu-central-1"},
		"foreign bucket":    {s3Env(server, foreign.URL), "bucket-of-others", "not allowed to call s3:ListBucket", "attach deploy/policy/collect-from-s3.json"},
		"wrong credentials": {append(env, "AWS_SECRET_ACCESS_KEY=wrong"), "some-bucket", "AWS does not accept the credentials (SignatureDoesNotMatch)", "set AWS_PROFILE"},
		"nobody there":      {s3Env(server, "http://127.0.0.1:1"), "some-bucket", "cannot connect to 127.0.0.1:1", "check the network"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "lake")
			r := run(t, c.env, "collect", "--source", "s3://"+c.bucket, "--lake", dir, "--no-details").mustEnd(t, 1)
			lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
			if !strings.HasPrefix(lines[0], "athenatrail: error: ") || !strings.Contains(lines[0], c.line) || !strings.Contains(lines[0], c.bucket) {
				t.Errorf("said %q, want the bucket and %q", lines[0], c.line)
			}
			if len(lines) > 2 || c.hint != "" && (len(lines) != 2 || !strings.Contains(lines[1], "athenatrail: hint: "+c.hint)) {
				t.Errorf("said %q, want the hint %q and nothing else", lines[1:], c.hint)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("a lake was made")
			}
		})
	}
}
