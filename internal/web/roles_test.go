package web_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/athenatrail/athenatrail/internal/web"
)

// Tokens of the users below.
func token(name string) string { return strings.Repeat(name+"-", 8) }

var roles = web.Auth{
	Users: []web.User{
		{Name: "admin", Role: web.Admin, Token: token("admin")},
		{Name: "viewer", Role: web.Viewer, Token: token("viewer")},
		{Name: "team", Role: web.Team, Teams: []string{"data-science"}, Token: token("team")},
		{Name: "self", Role: web.Self, Person: "Nora@Example.com", Token: token("self")},
	},
	Proxy: web.Proxy{Header: "X-Forwarded-User", Groups: "X-Forwarded-Groups", From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	Rules: []web.Rule{{Group: "data-*", Role: web.Viewer}, {User: "*@example.com", Role: web.Self}},
}

func bearer(name string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token(name)) }
}

func named(user, groups string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("X-Forwarded-User", user)
		if groups != "" {
			r.Header.Set("X-Forwarded-Groups", groups)
		}
	}
}

// TestRolesSeeWhatTheyMay asks every endpoint as everybody.
func TestRolesSeeWhatTheyMay(t *testing.T) {
	admin := demo(t)
	own := admin.rows("/api/v1/views/queries?" + all + "&limit=1&where=person=nora@example.com")[0]["query_execution_id"].(string)
	other := admin.rows("/api/v1/views/queries?" + all + "&limit=1&where=team=marketing&where=person!=nora@example.com")[0]["query_execution_id"].(string)
	s := open(t, web.Options{Auth: roles})
	who := map[string]func(*http.Request){
		"nobody": nil, "wrong": bearer("wrong"), "admin": bearer("admin"), "viewer": bearer("viewer"), "team": bearer("team"), "self": bearer("self"),
		"proxied": named("nora@example.com", ""), "grouped": named("kim@other.example.org", "x, data-platform"), "stranger": named("kim@other.example.org", "x"),
	}
	everyone := []string{"admin", "viewer", "team", "self", "proxied", "grouped"}
	for _, c := range []struct {
		path    string
		allowed []string
		refused int // of those who are known; 0 is 403
	}{
		{"/queries?" + all, everyone, 0},
		{"/limits", []string{"admin", "viewer", "grouped"}, 0},
		{"/health", []string{"admin", "viewer", "grouped"}, 0},
		{"/metrics", []string{"admin", "viewer", "grouped"}, 0},
		{"/api/v1/views/users?" + all, everyone, 0},
		{"/api/v1/views/health", []string{"admin", "viewer", "grouped"}, 0},
		{"/api/v1/views/unused?" + all, []string{"admin", "viewer", "grouped"}, 0},
		{"/api/v1/views/anomalies?" + all, []string{"admin", "viewer", "grouped"}, 0},
		{"/api/v1/openapi.json", everyone, 0},
		{"/query?id=" + own, everyone, 404},
		{"/query?id=" + other, []string{"admin", "viewer", "grouped"}, 404},
		{"/api/v1/queries/" + other, []string{"admin", "viewer", "grouped"}, 404},
	} {
		for name, change := range who {
			want := 403
			switch {
			case name == "nobody" && !strings.HasPrefix(c.path, "/api") && c.path != "/metrics":
				want = 303 // to sign in
			case name == "nobody" || name == "wrong":
				want = 401
			case name == "stranger":
			case contains(c.allowed, name):
				want = 200
			case c.refused != 0:
				want = c.refused
			}
			if r := s.do("GET", c.path, change); r.code != want {
				t.Errorf("%s as %s: status %d, want %d", c.path, name, r.code, want)
			}
		}
	}
	for name, change := range who {
		if r := s.do("GET", "/healthz", change); r.code != 200 {
			t.Errorf("/healthz as %s: status %d", name, r.code)
		}
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// TestRowsAndSQLStayHidden looks for what a role may not see on every page.
func TestRowsAndSQLStayHidden(t *testing.T) {
	s := open(t, web.Options{Auth: roles})
	// Filters that name others must not open what the role hides.
	filters := []string{"&team=marketing&team=data-science&person=*", "&team=marketing", "&person=jana@example.com", "&person=*", ""}
	for _, p := range plainPages {
		if p == "/health" || p == "/limits" {
			continue
		}
		for i, filter := range filters {
			if i > 0 && p != "/queries" {
				break
			}
			path := p + "?" + all + filter
			r := s.do("GET", path, bearer("self"))
			page := parse(t, r.body)
			for _, figure := range find(page, func(n *html.Node) bool { return n.Data == "figure" }) {
				body := text(figure)
				for _, name := range []string{"jana@example.com", "otto@example.com", "dbt-runner", "airflow-worker"} {
					// The line that repeats what was asked may name them.
					if strings.Contains(strings.ReplaceAll(body, "person="+name, ""), name) {
						t.Errorf("%s shows %s to nora", path, name)
					}
				}
			}
		}
	}
	for _, role := range []string{"viewer", "admin"} {
		rows := 0
		for _, view := range []string{"views/queries", "views/patterns", "queries"} {
			var page struct{ Rows []map[string]any }
			if err := json.Unmarshal([]byte(s.do("GET", "/api/v1/"+view+"?"+all+"&limit=100", bearer(role)).body), &page); err != nil {
				t.Fatal(err)
			}
			for _, row := range page.Rows {
				if row["query_string"] != nil {
					rows++
				}
			}
		}
		if (rows > 0) != (role == "admin") {
			t.Errorf("%s got %d texts", role, rows)
		}
	}
	id := s.idOf("nora@example.com")
	for role, may := range map[string][2]bool{"admin": {true, true}, "viewer": {false, false}, "self": {true, false}} {
		body := s.do("GET", "/query?id="+id, bearer(role)).body
		if got := strings.Contains(body, `<pre class="sql"`); got != may[0] {
			t.Errorf("%s sees SQL: %t", role, got)
		}
		if got := strings.Contains(body, "The record of the trail"); got != may[1] {
			t.Errorf("%s sees the record: %t", role, got)
		}
		if got := strings.Contains(s.do("GET", "/api/v1/queries/"+id, bearer(role)).body, `"start_event"`); got != may[1] {
			t.Errorf("%s gets the record: %t", role, got)
		}
	}
	if r := s.do("GET", "/queries?"+all+"&q=select", bearer("viewer")); !strings.Contains(r.body, "No execution in this window") {
		t.Error("a search in SQL tells a role that may not read it what it holds")
	}
}

// idOf is the id of an execution of a person, as the admin sees it.
func (s *site) idOf(person string) string {
	s.t.Helper()
	var page struct{ Rows []map[string]any }
	r := s.do("GET", "/api/v1/views/queries?"+all+"&limit=1&where=person="+person, bearer("admin"))
	if err := json.Unmarshal([]byte(r.body), &page); err != nil || len(page.Rows) == 0 {
		s.t.Fatalf("%v: %s", err, r.body)
	}
	return page.Rows[0]["query_execution_id"].(string)
}

func TestSignInAndOut(t *testing.T) {
	s := open(t, web.Options{Auth: roles})
	form := func(values url.Values, change func(*http.Request)) reply {
		return s.do("POST", "/login?"+values.Encode(), func(r *http.Request) {
			r.URL.RawQuery = ""
			r.Body = http.NoBody
			body := values.Encode()
			r.Body, r.ContentLength = readCloser(body), int64(len(body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if change != nil {
				change(r)
			}
		})
	}
	if r := s.get("/people?" + all); r.code != 303 || !strings.HasPrefix(r.header.Get("Location"), "/login?to=%2Fpeople") {
		t.Errorf("without a cookie: %d to %s", r.code, r.header.Get("Location"))
	}
	if r := form(url.Values{"token": {"guess"}}, nil); r.code != 401 || r.header.Get("Set-Cookie") != "" {
		t.Errorf("a wrong token: %d, %q", r.code, r.header.Get("Set-Cookie"))
	}
	if r := form(url.Values{"token": {token("self")}}, func(r *http.Request) { r.Header.Set("Origin", "https://evil.example.com") }); r.code != 403 {
		t.Errorf("from another site: %d", r.code)
	}
	r := form(url.Values{"token": {token("self")}, "to": {"/people?window=30d"}}, nil)
	cookie := r.header.Get("Set-Cookie")
	if r.code != 303 || r.header.Get("Location") != "/people?window=30d" || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict") {
		t.Fatalf("%d to %q with %q", r.code, r.header.Get("Location"), cookie)
	}
	if strings.Contains(cookie, token("self")) {
		t.Error("the cookie holds the token")
	}
	with := func(r *http.Request) { r.Header.Set("Cookie", strings.Split(cookie, ";")[0]) }
	if r := s.do("GET", "/people", with); r.code != 200 || !strings.Contains(r.body, "Sign out") {
		t.Errorf("with the cookie: %d", r.code)
	}
	if r := s.do("POST", "/logout", func(r *http.Request) { with(r); r.Header.Set("Sec-Fetch-Site", "cross-site") }); r.code != 403 {
		t.Errorf("signing out from another site: %d", r.code)
	}
	if r := s.do("POST", "/logout", with); r.code != 303 {
		t.Errorf("signing out: %d", r.code)
	}
	if r := s.do("GET", "/people", with); r.code != 303 {
		t.Errorf("with the old cookie: %d", r.code)
	}
	for _, to := range []string{"https://evil.example.com/", "//evil.example.com", `/\evil.example.com`, "javascript:alert(1)", "/a\r\nX: y"} {
		if r := form(url.Values{"token": {token("self")}, "to": {to}}, nil); !strings.HasPrefix(r.header.Get("Location"), "/") || strings.Contains(r.header.Get("Location"), "evil") {
			t.Errorf("to %q leads to %q", to, r.header.Get("Location"))
		}
	}
}

type stringBody struct{ *strings.Reader }

func (stringBody) Close() error         { return nil }
func readCloser(text string) stringBody { return stringBody{strings.NewReader(text)} }

// TestProxyIsBelievedWhereItComesFrom shows that a header is worth nothing from
// elsewhere.
func TestProxyIsBelievedWhereItComesFrom(t *testing.T) {
	auth := roles
	auth.Users, auth.Proxy.From = nil, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	s := open(t, web.Options{Auth: auth})
	if r := s.do("GET", "/people", named("nora@example.com", "data-platform")); r.code != 401 {
		t.Errorf("status %d", r.code)
	}
	auth.Proxy.From = nil
	if _, err := web.New(web.Options{Auth: auth, Lake: web.Lake{Dir: lakeDir(t)}}); err == nil {
		t.Error("a proxy without addresses is taken")
	}
	s = open(t, web.Options{Auth: roles})
	two := func(r *http.Request) {
		r.Header.Add("X-Forwarded-User", "nora@example.com")
		r.Header.Add("X-Forwarded-User", "root@example.com")
	}
	if r := s.do("GET", "/people", two); r.code != 401 {
		t.Errorf("two names: status %d", r.code)
	}
}
