package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/health"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/meter"
	"github.com/athenatrail/athenatrail/internal/report"
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

// mayAsk is which status each endpoint answers to whom. Every endpoint of the
// server, every page and every view stands in it; what is new goes in here, or
// the test fails. The columns: nobody signed in; a wrong token; a session that
// ended; a user of the proxy without a role; then the roles.
const mayAsk = `
	                                               nobody wrong ended stranger self team viewer admin
	GET /                                             303   401   303   403   200  200  200  200
	GET /people                                       303   401   303   403   200  200  200  200
	GET /person?person=nora@example.com               303   401   303   403   200  200  200  200
	GET /teams                                        303   401   303   403   200  200  200  200
	GET /team?team=data-science                       303   401   303   403   200  200  200  200
	GET /workgroups                                   303   401   303   403   200  200  200  200
	GET /workgroup?work_group_name=etl                303   401   303   403   200  200  200  200
	GET /databases                                    303   401   303   403   200  200  200  200
	GET /database?database_name=web                   303   401   303   403   200  200  200  200
	GET /tables                                       303   401   303   403   200  200  200  200
	GET /table?table_name=awsdatacatalog.web.hits     303   401   303   403   200  200  200  200
	GET /tools                                        303   401   303   403   200  200  200  200
	GET /tool?tool=dbt                                303   401   303   403   200  200  200  200
	GET /queries                                      303   401   303   403   200  200  200  200
	GET /queries?q=secret                             303   401   303   403   200  200  200  200
	GET /patterns                                     303   401   303   403   200  200  200  200
	GET /pattern?query_fingerprint=f2                 303   401   303   403   200  200  200  200
	GET /findings                                     303   401   303   403   200  200  200  200
	GET /notebooks                                    303   401   303   403   200  200  200  200
	GET /notebook?notebook_id=n                       303   401   303   403   200  200  200  200
	GET /failures                                     303   401   303   403   200  200  200  200
	GET /limits                                       303   401   303   403   403  403  200  200
	GET /health                                       303   401   303   403   403  403  200  200
	GET /query?id=00000001                            303   401   303   403   200  200  200  200
	GET /query?id=00000002                            303   401   303   403   404  404  200  200
	GET /nothing                                      404   404   404   404   404  404  404  404
	HEAD /people                                      303   401   303   403   200  200  200  200
	POST /people                                      405   405   405   405   405  405  405  405
	DELETE /api/v1/queries                            405   405   405   405   405  405  405  405

	GET /metrics                                      401   401   401   403   403  403  200  200
	GET /healthz                                      200   200   200   200   200  200  200  200
	GET /asset/app.css                                200   200   200   200   200  200  200  200
	GET /asset/app.go                                 404   404   404   404   404  404  404  404
	GET /asset/../web.go                              307   307   307   307   307  307  307  307

	GET /api/v1/openapi.json                          401   401   401   403   200  200  200  200
	GET /api/v1/nothing                               401   401   401   403   404  404  404  404
	GET /api/v1/queries                               401   401   401   403   200  200  200  200
	GET /api/v1/queries?format=csv                    401   401   401   403   200  200  200  200
	GET /api/v1/queries?format=jsonl                  401   401   401   403   200  200  200  200
	GET /api/v1/queries?q=secret                      401   401   401   403   200  200  200  200
	GET /api/v1/queries?where=person=jana@example.com 401   401   401   403   200  200  200  200
	GET /api/v1/queries/00000001                      401   401   401   403   200  200  200  200
	GET /api/v1/queries/00000002                      401   401   401   403   404  404  200  200

	GET /api/v1/views/accounts                        401   401   401   403   200  200  200  200
	GET /api/v1/views/anomalies                       401   401   401   403   403  403  200  200
	GET /api/v1/views/calculations                    401   401   401   403   200  200  200  200
	GET /api/v1/views/changes                         401   401   401   403   200  200  200  200
	GET /api/v1/views/databases                       401   401   401   403   200  200  200  200
	GET /api/v1/views/databases-accessed              401   401   401   403   200  200  200  200
	GET /api/v1/views/deliveries                      401   401   401   403   403  403  200  200
	GET /api/v1/views/denied                          401   401   401   403   200  200  200  200
	GET /api/v1/views/failures                        401   401   401   403   200  200  200  200
	GET /api/v1/views/findings                        401   401   401   403   200  200  200  200
	GET /api/v1/views/health                          401   401   401   403   403  403  200  200
	GET /api/v1/views/jobs                            401   401   401   403   200  200  200  200
	GET /api/v1/views/limit-actions                   401   401   401   403   403  403  200  200
	GET /api/v1/views/limits                          401   401   401   403   403  403  200  200
	GET /api/v1/views/notebook-activity?arg=n         401   401   401   403   200  200  200  200
	GET /api/v1/views/notebooks                       401   401   401   403   200  200  200  200
	GET /api/v1/views/overview                        401   401   401   403   200  200  200  200
	GET /api/v1/views/patterns                        401   401   401   403   200  200  200  200
	GET /api/v1/views/queries                         401   401   401   403   200  200  200  200
	GET /api/v1/views/roles                           401   401   401   403   200  200  200  200
	GET /api/v1/views/spend                           401   401   401   403   200  200  200  200
	GET /api/v1/views/tables                          401   401   401   403   200  200  200  200
	GET /api/v1/views/teams                           401   401   401   403   200  200  200  200
	GET /api/v1/views/tools                           401   401   401   403   200  200  200  200
	GET /api/v1/views/unused                          401   401   401   403   403  403  200  200
	GET /api/v1/views/unused-access                   401   401   401   403   403  403  200  200
	GET /api/v1/views/usage?by=person                 401   401   401   403   200  200  200  200
	GET /api/v1/views/users                           401   401   401   403   200  200  200  200
	GET /api/v1/views/users?format=csv                401   401   401   403   200  200  200  200
	GET /api/v1/views/users?format=markdown           401   401   401   403   200  200  200  200
	GET /api/v1/views/users?where=person=*            401   401   401   403   200  200  200  200
	GET /api/v1/views/users-databases                 401   401   401   403   200  200  200  200
	GET /api/v1/views/who-reads?arg=web.hits          401   401   401   403   200  200  200  200
	GET /api/v1/views/workgroups                      401   401   401   403   200  200  200  200

	GET /login                                        200   200   200   200   200  200  200  200
	POST /login                                       401   401   401   401   401  401  401  401
	GET /login/oidc                                   404   404   404   404   404  404  404  404
	GET /login/callback                               404   404   404   404   404  404  404  404
	POST /logout                                      303   303   303   303   303  303  303  303
	POST /logout from elsewhere                       403   403   403   403   403  403  403  403
	POST /login from elsewhere                        403   403   403   403   403  403  403  403
`

// colleagues is a lake of two people in two teams, whose SQL holds a secret.
func colleagues(t *testing.T) (dir string, at time.Time) {
	t.Helper()
	dir = t.TempDir()
	store, err := lake.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Create(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	at = time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC)
	home := athenatrail.NewPartition(at, "111122223333", "eu-west-1")
	var executions []athenatrail.QueryExecution
	var activity []athenatrail.Activity
	var usage []athenatrail.UsageRollup
	var sessions []athenatrail.Session
	var texts []athenatrail.QueryText
	for i, of := range []struct{ person, team, role, tool, database string }{
		{"nora@example.com", "data-science", "analyst", "dbt", "web"}, {"jana@example.com", "marketing", "campaigns", "redash", "crm"},
	} {
		n, cost := int64(1<<30), athenatrail.Money(5_000_000)
		id := fmt.Sprintf("%08d-2222-4333-8444-555555555555", i+1)
		event := fmt.Sprintf("e%07d-aaaa-4333-8444-555555555555", i+1)
		who := athenatrail.Who{Person: of.person, PersonSource: "sso_session", PersonKind: "human", Team: of.team, RoleName: of.role}
		executions = append(executions, athenatrail.QueryExecution{
			QueryExecutionID: id, AccountID: home.Account, RegionName: home.Region, EventID: event, Who: who, Where: athenatrail.Where{Tool: of.tool},
			WorkGroupName: "etl", DatabaseName: of.database, StatementType: "DML", State: "SUCCEEDED", QueryFingerprint: fmt.Sprint("f", i+1),
			TablesAccessed: []string{"awsdatacatalog." + of.database + ".hits"}, DatabasesAccessed: []string{of.database}, TablesSource: "sql", TextHash: fmt.Sprint("a", i+1), TextDt: home.Date.String(),
			SubmissionDateTime: at, DataScannedBytes: &n, BilledBytes: &n, Cost: &cost, Currency: "USD", CostBasis: "list", TotalMillis: &n,
		})
		usage = append(usage, athenatrail.UsageRollup{UsageKey: athenatrail.UsageKey{Slot: at.Truncate(athenatrail.SlotLength), Kind: "sql", Person: of.person, PersonKind: "human", PersonSource: "sso_session", Team: of.team,
			RoleName: of.role, AccountID: home.Account, RegionName: home.Region, WorkGroupName: "etl", Tool: of.tool, DatabaseName: of.database, State: "SUCCEEDED", CostBasis: "list", Currency: "USD"},
			Executions: 1, Known: 1, DataScannedBytes: n, BilledBytes: n, Cost: cost, TotalMillis: n, Latency40: 1})
		activity = append(activity, athenatrail.Activity{EventID: event, EventTime: at, EventName: "StartQueryExecution", AccountID: home.Account, RegionName: home.Region, Who: who,
			ErrorCode: "AccessDeniedException", ErrorMessage: "not " + of.person, WorkGroupName: "etl"})
		sessions = append(sessions, athenatrail.Session{SessionID: fmt.Sprintf("a%07d-bbbb-4333-8444-555555555555", i+1), EventID: fmt.Sprintf("c%07d-cccc-4333-8444-555555555555", i+1), AccountID: home.Account, RegionName: home.Region,
			Who: who, WorkGroupName: "spark", NotebookID: "n", StartedAt: at, State: "TERMINATED"})
		texts = append(texts, athenatrail.QueryText{Home: home, TextHash: fmt.Sprint("a", i+1), QueryString: "SELECT 'secret of " + of.person + "' FROM hits"})
	}
	write := func(_ bool, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write(lake.WriteTable(t.Context(), l, lake.QueryExecutions, home, lake.QueryExecutions.Sorted(executions), "test"))
	write(lake.WriteTable(t.Context(), l, lake.UsageRollup, home, lake.UsageRollup.Sorted(usage), "test"))
	write(lake.WriteTable(t.Context(), l, lake.Activity, home, lake.Activity.Sorted(activity), "test"))
	write(lake.WriteTable(t.Context(), l, lake.Sessions, home, lake.Sessions.Sorted(sessions), "test"))
	if _, err := lake.Merge(t.Context(), l, lake.QueryTexts, home, texts); err != nil {
		t.Fatal(err)
	}
	return dir, at
}

// TestRolesSeeWhatTheyMay asks every endpoint as everybody, compares the status
// with the table, and looks into each answer for what the role may not see.
func TestRolesSeeWhatTheyMay(t *testing.T) {
	dir, at := colleagues(t)
	var clock atomic.Int64
	clock.Store(at.Add(time.Hour).UnixNano())
	rows := func(context.Context, *lake.Lake) (*format.Result, error) {
		return &format.Result{View: "limits", Columns: []format.Column{{Name: "subject", Kind: format.Text}}, Rows: format.RowsOf([][]any{{"jana@example.com"}})}, nil
	}
	o := web.Options{Auth: roles, Lake: web.Lake{Dir: dir}, Limits: rows, LimitActions: rows, LimitNotes: func(context.Context, *lake.Lake) ([]string, error) { return []string{"jana@example.com"}, nil }}
	s := open(t, o.At(func() time.Time { return time.Unix(0, clock.Load()) }))

	cookie := strings.Split(s.signInWith(url.Values{"token": {token("admin")}}, nil).header.Get("Set-Cookie"), ";")[0]
	ended := func(r *http.Request) { r.Header.Set("Cookie", cookie) }
	if r := s.do("GET", "/people", ended); r.code != 200 {
		t.Fatalf("before the session's end: status %d", r.code)
	}
	clock.Add(int64(12*time.Hour + time.Second))

	who := map[string]func(*http.Request){
		"nobody": func(*http.Request) {}, "wrong": bearer("wrong"), "ended": ended, "stranger": named("kim@other.example.org", "x"),
		"self": bearer("self"), "team": bearer("team"), "viewer": bearer("viewer"), "admin": bearer("admin"),
	}
	lines := strings.Split(strings.TrimSpace(mayAsk), "\n")
	columns := strings.Fields(lines[0])
	if len(columns) != len(who) {
		t.Fatalf("%d columns of %d", len(columns), len(who))
	}
	asked, views := map[string]bool{}, map[string]bool{}
	for _, line := range lines[1:] {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) < 2+len(columns) {
			t.Fatalf("the line %q", line)
		}
		method, path, codes := words[0], words[1], words[len(words)-len(columns):]
		elsewhere := words[2] == "from"
		target := path
		if strings.HasPrefix(path, "/api/v1/views/") || strings.HasPrefix(path, "/api/v1/queries?") || strings.Count(path, "/") == 1 && !strings.HasPrefix(path, "/query?") {
			if method != "POST" && path != "/metrics" && path != "/healthz" && path != "/login" && path != "/limits" && path != "/health" && !health.Is(strings.TrimPrefix(path, "/api/v1/views/")) && !strings.HasPrefix(path, "/api/v1/views/limit") {
				with := "?"
				if strings.Contains(path, "?") {
					with = "&"
				}
				target += with + "from=2026-11-03&to=2026-11-04"
			}
		}
		r, err := http.NewRequest(method, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		asked[s.web.EndpointOf(r)] = true
		if view, ok := strings.CutPrefix(r.URL.Path, "/api/v1/views/"); ok {
			views[view] = true
		}
		for i, name := range columns {
			answer := s.do(method, target, func(r *http.Request) {
				who[name](r)
				if elsewhere {
					r.Header.Set("Sec-Fetch-Site", "cross-site")
				}
			})
			if want, _ := strconv.Atoi(codes[i]); answer.code != want {
				t.Errorf("%s %s as %s: status %d, want %d: %.300s", method, path, name, answer.code, want, answer.body)
			}
			// What stands in the question may stand in the answer.
			body := strings.ReplaceAll(strings.ReplaceAll(answer.body, "jana@example.com", "JANA"), "person=JANA", "")
			body = strings.ReplaceAll(body, "person%3DJANA", "")
			hidden := map[string][]string{"viewer": {"secret of"}, "admin": nil}[name]
			if name != "viewer" && name != "admin" {
				hidden = []string{"JANA", "marketing", "campaigns", "redash", "crm"}
			}
			if i < 4 {
				hidden = append(hidden, "nora@example.com", "secret of", "111122223333")
			}
			if strings.HasPrefix(path, "/person?") && answer.code == 303 {
				hidden = nil // the way back, after signing in
			}
			for _, text := range hidden {
				if strings.Contains(body, text) {
					t.Errorf("%s %s shows %q to %s", method, path, text, name)
				}
			}
		}
	}
	for _, pattern := range s.web.Endpoints() {
		if !asked[pattern] {
			t.Errorf("the endpoint %s is in no line of the table", pattern)
		}
	}
	of := []string{"limits", "limit-actions", meter.AnomaliesView}
	for _, v := range health.Views {
		of = append(of, v.Name)
	}
	for _, v := range report.Views() {
		of = append(of, v.Name)
	}
	for _, view := range of {
		if !views[view] {
			t.Errorf("the view %s is in no line of the table", view)
		}
	}
	// The table would hold of a lake without rows too.
	if r := s.do("GET", "/api/v1/queries?from=2026-11-03&to=2026-11-04", bearer("admin")); !strings.Contains(r.body, "secret of jana") || !strings.Contains(r.body, "secret of nora") {
		t.Errorf("the admin does not see the rows: %.500s", r.body)
	}
	if r := s.do("GET", "/api/v1/queries?from=2026-11-03&to=2026-11-04", named("nora@example.com", "")); r.code != 200 || strings.Contains(r.body, "jana") || !strings.Contains(r.body, "secret of nora") {
		t.Errorf("a user that the proxy names: %d, %.500s", r.code, r.body)
	}
	if r := s.do("GET", "/api/v1/queries?from=2026-11-03&to=2026-11-04", named("kim@other.example.org", "x, data-platform")); r.code != 200 || !strings.Contains(r.body, "jana") || strings.Contains(r.body, "secret of") {
		t.Errorf("a user by the proxy's groups: %d, %.500s", r.code, r.body)
	}
}

// signInWith sends the form of the page to sign in.
func (s *site) signInWith(values url.Values, change func(*http.Request)) reply {
	return s.do("POST", "/login", func(r *http.Request) {
		body := values.Encode()
		r.Body, r.ContentLength = readCloser(body), int64(len(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if change != nil {
			change(r)
		}
	})
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
	form := s.signInWith
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
