package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/athenatrail/athenatrail/internal/cli"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/setup"
	"github.com/athenatrail/athenatrail/internal/web"
)

// events is about how many queries the demo of these tests has.
const events = 400

// demoLake is the demo's lake, made once for all tests.
var demoLake = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "athenatrail-web-test-")
	if err != nil {
		return "", err
	}
	lake := filepath.Join(dir, "lake")
	var out, talk bytes.Buffer
	if code := cli.Main(context.Background(), []string{"demo", "--no-serve", "--quiet", "--events", fmt.Sprint(events), "--lake", lake}, strings.NewReader(""), &out, &talk); code != 0 {
		return "", fmt.Errorf("demo: exit %d\n%s", code, talk.String())
	}
	return lake, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	stopBrowser()
	if shared != nil {
		shared.Close()
	}
	if lake, err := demoLake(); err == nil {
		os.RemoveAll(filepath.Dir(lake))
	}
	os.Exit(code)
}

func lakeDir(t *testing.T) string {
	t.Helper()
	dir, err := demoLake()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// settingsOf are those that the demo's configuration describes.
func settingsOf(t *testing.T, lake string) *derive.Settings {
	t.Helper()
	c, err := config.Load(t.Context(), config.Options{File: filepath.Join(lake, config.DefaultFile)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := setup.New(c, "athenatrail/test").Settings()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A site is a dashboard that a test talks to.
type site struct {
	t *testing.T
	*httptest.Server
	web *web.Server
}

func open(t *testing.T, o web.Options) *site {
	t.Helper()
	if o.Lake.Dir == "" {
		o.Lake.Dir = lakeDir(t)
		o.Lake.Settings = settingsOf(t, o.Lake.Dir)
	}
	o.PriceBasis = "AWS's list prices"
	s, err := web.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		server.Close()
		s.Close()
	})
	return &site{t, server, s}
}

var (
	sharedOnce sync.Once
	shared     *web.Server
)

// demo is a dashboard of the demo that tests share, and so what it remembers.
func demo(t *testing.T) *site {
	t.Helper()
	sharedOnce.Do(func() {
		dir := lakeDir(t)
		s, err := web.New(web.Options{PriceBasis: "AWS's list prices", Lake: web.Lake{Dir: dir, Settings: settingsOf(t, dir)}, QueryTimeout: 5 * time.Minute}) // of a busy machine
		if err != nil {
			t.Fatal(err)
		}
		shared = s
	})
	server := httptest.NewServer(shared)
	t.Cleanup(server.Close)
	return &site{t, server, shared}
}

// all is the window of these tests. It ends behind what the lake is complete to.
const all = "from=2026-10-26&to=2026-11-03"

type reply struct {
	code   int
	header http.Header
	body   string
}

// do sends a request without following where it is sent on to.
func (s *site) do(method, path string, change func(*http.Request)) reply {
	s.t.Helper()
	r, err := http.NewRequest(method, s.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	client := &http.Client{Timeout: 2 * time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	// Tests ask faster than people do.
	for range 200 {
		answer, err := client.Do(r)
		if err != nil {
			s.t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			s.t.Fatal(err)
		}
		if answer.StatusCode == http.StatusTooManyRequests {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		return reply{answer.StatusCode, answer.Header, string(body)}
	}
	s.t.Fatal("too many requests, again and again")
	return reply{}
}

func (s *site) get(path string) reply { s.t.Helper(); return s.do("GET", path, nil) }

// page gets a page and parses it.
func (s *site) page(path string) *html.Node {
	s.t.Helper()
	r := s.get(path)
	if r.code != 200 {
		s.t.Fatalf("%s: status %d: %s", path, r.code, text(parse(s.t, r.body)))
	}
	return parse(s.t, r.body)
}

// rows gets a view from the API.
func (s *site) rows(path string) []map[string]any {
	s.t.Helper()
	r := s.get(path)
	if r.code != 200 {
		s.t.Fatalf("%s: status %d: %s", path, r.code, r.body)
	}
	var page struct{ Rows []map[string]any }
	dec := json.NewDecoder(strings.NewReader(r.body))
	dec.UseNumber()
	if err := dec.Decode(&page); err != nil {
		s.t.Fatal(err)
	}
	return page.Rows
}

func parse(t *testing.T, body string) *html.Node {
	t.Helper()
	n, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// find returns the nodes below n for which is holds, in order.
func find(n *html.Node, is func(*html.Node) bool) (list []*html.Node) {
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && is(d) {
			list = append(list, d)
		}
	}
	return list
}

func tag(names ...string) func(*html.Node) bool {
	return func(n *html.Node) bool {
		for _, name := range names {
			if n.Data == name {
				return true
			}
		}
		return false
	}
}

func hasID(id string) func(*html.Node) bool {
	return func(n *html.Node) bool { return attr(n, "id") == id }
}

func hasClass(name string) func(*html.Node) bool {
	return func(n *html.Node) bool {
		for _, c := range strings.Fields(attr(n, "class")) {
			if c == name {
				return true
			}
		}
		return false
	}
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func escape(s string) string { return url.QueryEscape(s) }
