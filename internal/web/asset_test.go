package web_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/athenatrail/athenatrail/internal/web"
)

// TestAssets gets files as browsers do: packed where they take that, and not
// again while they are the same.
func TestAssets(t *testing.T) {
	s := demo(t)
	plain, err := os.ReadFile("asset/app.js")
	if err != nil {
		t.Fatal(err)
	}
	with := func(name, value string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Accept-Encoding", "identity")
			r.Header.Set(name, value)
		}
	}
	first := s.do("GET", "/asset/app.js", with("Accept-Encoding", "identity"))
	if first.code != 200 || first.body != string(plain) || first.header.Get("Content-Type") != "text/javascript; charset=utf-8" || first.header.Get("Content-Encoding") != "" {
		t.Fatalf("status %d, %v", first.code, first.header)
	}
	packed := s.do("GET", "/asset/app.js", with("Accept-Encoding", "br, gzip;q=0.8"))
	z, err := gzip.NewReader(strings.NewReader(packed.body))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, plain) || packed.header.Get("Content-Encoding") != "gzip" || packed.header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("packed: %v, %v", err, packed.header)
	}
	if r := s.do("GET", "/asset/app.js", with("Accept-Encoding", "gzip;q=0")); r.body != string(plain) {
		t.Error("gzip is sent to who does not take it")
	}
	if tag := first.header.Get("ETag"); tag == "" || tag == packed.header.Get("ETag") {
		t.Errorf("the plain file has the tag %s, the packed one %s", tag, packed.header.Get("ETag"))
	} else if r := s.do("GET", "/asset/app.js", with("If-None-Match", tag)); r.code != 304 || r.body != "" {
		t.Errorf("the same file again: %d", r.code)
	}
	for _, path := range []string{"/asset/", "/asset/charts", "/asset/app.css/..%2f..%2fweb.go", "/asset/../template/page.html", "/asset/%2e%2e/web.go", "/asset/charts/LICENSE", "/asset/charts/VERSION"} {
		if r := s.get(path); r.code == 200 {
			t.Errorf("%s: %.80s", path, r.body)
		}
	}
}

// TestWithoutLibrary makes a dashboard of a build that npm was not there for.
func TestWithoutLibrary(t *testing.T) {
	files := fstest.MapFS{}
	if err := fs.WalkDir(os.DirFS("."), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path, "asset/charts/") || !strings.HasPrefix(path, "asset/") && !strings.HasPrefix(path, "template/") {
			return err
		}
		data, err := os.ReadFile(path)
		files[path] = &fstest.MapFile{Data: data}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	s := open(t, web.Options{Files: files})
	r := s.get("/people?" + all)
	page := parse(t, r.body)
	if strings.Contains(r.body, "<script src") || strings.Contains(r.body, `type="module"`) || strings.Contains(r.body, "data-library") {
		t.Error("the page loads a script that has nothing to draw with")
	}
	if len(find(page, hasClass("columns"))) != 1 || len(find(page, hasClass("cellbar"))) < 3 || len(find(page, hasClass("heat"))) < 3 {
		t.Error("the page draws no chart, bars and heat map of its own")
	}
	// Files that were given are read anew for every page.
	files["template/page.html"] = &fstest.MapFile{Data: []byte("changed")}
	if r := s.get("/people?" + all); r.body != "changed" {
		t.Errorf("a changed template gives %.80s", r.body)
	}
}
