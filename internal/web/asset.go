package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed template asset
var embedded embed.FS

// Files below asset/ that pages load beside the style sheet. The library is
// there if scripts/charts.sh ran before the build; without it the script has
// nothing to draw with, and pages do without both.
const (
	scriptFile  = "app.js"
	libraryFile = "charts/echarts.js"
)

var assetTypes = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".woff2": "font/woff2"}

// assets are the templates, and the files that pages load.
type assets struct {
	fs.FS
	fixed bool // they do not change while the program runs

	mu        sync.Mutex
	templates *template.Template // nil until asked for
	ready     map[string]*ready
}

// A ready file is one as it is sent.
type ready struct {
	plain, zipped []byte
	tag           string
}

// newAssets returns those of the program, or those of a folder, which are read
// anew each time.
func newAssets(from fs.FS) (*assets, error) {
	a := &assets{FS: from, ready: map[string]*ready{}}
	if from == nil {
		a.FS, a.fixed = embedded, true
	}
	_, err := a.parsed()
	return a, err
}

func (a *assets) parsed() (*template.Template, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.templates != nil && a.fixed {
		return a.templates, nil
	}
	t, err := template.New("").ParseFS(a.FS, "template/*.html")
	if err != nil {
		return nil, err
	}
	a.templates = t
	return t, nil
}

func (a *assets) has(name string) bool {
	_, err := fs.Stat(a.FS, "asset/"+name)
	return err == nil
}

// get returns a file below asset/ as it is sent.
func (a *assets) get(name string) (*ready, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f := a.ready[name]; f != nil && a.fixed {
		return f, nil
	}
	data, err := fs.ReadFile(a.FS, "asset/"+name)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	f := &ready{plain: data, tag: hex.EncodeToString(sum[:12])}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	if b.Len() < len(data) {
		f.zipped = b.Bytes()
	}
	a.ready[name] = f
	return f, nil
}

// asset answers with a file that pages load. Browsers keep it and ask each time
// whether it is still the one.
func (s *Server) asset(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/asset/")
	kind := assetTypes[path.Ext(name)]
	if kind == "" || !fs.ValidPath(name) {
		s.fail(w, r, http.StatusNotFound, "there is no such file")
		return
	}
	f, err := s.assets.get(name)
	if err != nil {
		s.fail(w, r, http.StatusNotFound, "there is no such file")
		return
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	body, tag := f.plain, f.tag
	if f.zipped != nil && takesGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body, tag = f.zipped, f.tag+"-gzip"
	}
	h.Set("ETag", strconv.Quote(tag))
	h.Set("Content-Length", fmt.Sprint(len(body)))
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body))
}

// takesGzip reports whether a client says that it takes gzip, and not with a
// weight of nothing, which means that it does not.
func takesGzip(r *http.Request) bool {
	for _, line := range r.Header.Values("Accept-Encoding") {
		for part := range strings.SplitSeq(line, ",") {
			name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
			if strings.EqualFold(strings.TrimSpace(name), "gzip") {
				return !strings.HasPrefix(strings.ReplaceAll(weight, " ", ""), "q=0") || strings.ContainsAny(weight, "123456789")
			}
		}
	}
	return false
}
