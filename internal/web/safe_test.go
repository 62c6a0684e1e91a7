package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"golang.org/x/net/html"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/report"
	"github.com/athenatrail/athenatrail/internal/web"
)

func TestHostNamesThatPointHereAreRefused(t *testing.T) {
	s := demo(t)
	for host, want := range map[string]int{"localhost:8080": 200, "127.0.0.1": 200, "[::1]:80": 200, "evil.example.com": 421, "127.0.0.1.evil.example.com": 421, "169.254.169.254": 421} {
		if r := s.do("GET", "/limits", func(r *http.Request) { r.Host = host }); r.code != want {
			t.Errorf("Host %s: status %d, want %d", host, r.code, want)
		}
	}
}

// TestBadInput asks for what there is not. The answer is a sentence, not a page
// with other numbers.
func TestBadInput(t *testing.T) {
	s := demo(t)
	for path, want := range map[string]string{
		"/people?colour=red":                             "unknown parameter",
		"/people?window=fortnight":                       "unknown window",
		"/people?from=yesteryear":                        "from:",
		"/people?from=2026-11-01&to=2026-10-01":          "not before",
		"/people?window=7d&from=2026-10-01":              "either window",
		"/people?window=7d&window=30d":                   "twice",
		"/people?rows=many":                              "", // of a panel
		"/people?own=yes":                                "want 1",
		"/people?%zz":                                    "cannot be read",
		"/person":                                        "about one person",
		"/person?person=a&person=b":                      "about one person",
		"/table?table_name!=x":                           "about one table",
		"/query":                                         "id=",
		"/query?id=abc":                                  "at least 8 characters",
		"/query?id=%00%00%00%00%00%00%00%00%00":          "control characters",
		"/api/v1/views/user":                             "did you mean users",
		"/api/v1/views/users?colour=red":                 "unknown parameter",
		"/api/v1/views/users?where=colour=red":           "unknown column",
		"/api/v1/views/users?where=person":               "want column=value",
		"/api/v1/views/users?by=person":                  "its own grouping",
		"/api/v1/views/usage":                            "needs --by",
		"/api/v1/views/usage?by=person;DROP":             "cannot be read",
		"/api/v1/views/usage?by=person%3BDROP":           "unknown column to group by",
		"/api/v1/views/users?sort=colour":                "column to sort by",
		"/api/v1/views/users?limit=-1":                   "want a number",
		"/api/v1/views/users?limit=1e9":                  "want a number",
		"/api/v1/views/users?format=xml":                 "want json",
		"/api/v1/views/users?from=2026-13-45":            "from:",
		"/api/v1/views/who-reads?arg=x' OR '1'='1":       "unknown table",
		"/api/v1/views/notebook-activity":                "needs a NOTEBOOK",
		"/api/v1/queries?after=zzz":                      "first page",
		"/api/v1/queries?sort=query_string":              "column to sort by",
		"/api/v1/queries?limit=100000":                   "limit",
		"/api/v1/queries/11111111?x=1":                   "no parameters",
		"/api/v1/views/users?probes=maybe":               "true or false",
		"/api/v1/views/overview?sort=cost":               "own order",
		"/api/v1/views/queries?where=probe=maybe":        "want true or false",
		"/api/v1/views/users?where=person=" + longText(): "4096",
		"/people?person=" + escape(longText()):           "",
		"/queries?q=" + escape(strings.Repeat("x ", 30)): "",
	} {
		t.Run(path[:min(60, len(path))], func(t *testing.T) {
			u, query, _ := strings.Cut(path, "?")
			if strings.Contains(query, " ") {
				path = u + "?" + strings.ReplaceAll(query, " ", "%20")
			}
			r := s.get(path)
			body := r.body
			if !strings.HasPrefix(path, "/api/") {
				body = text(parse(t, r.body))
			}
			if want == "" { // the page stands, and its panel says what is wrong
				if r.code != 200 || len(find(parse(t, r.body), hasClass("error"))) == 0 {
					t.Errorf("status %d: %s", r.code, body)
				}
				return
			}
			if r.code != 400 || !strings.Contains(body, want) {
				t.Errorf("status %d: %.400s; want %q", r.code, body, want)
			}
		})
	}
	for path, code := range map[string]int{"/nope": 404, "/asset/../web.go": 301, "/asset/nope.css": 404, "/api/v1/nope": 404, "/api/v1/queries/00000000-0000": 404, "/query?id=00000000-0000": 404} {
		if r := s.get(path); r.code != code && !(code == 301 && r.code >= 300 && r.code < 500) {
			t.Errorf("%s: status %d, want %d", path, r.code, code)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		if r := s.do(method, "/people", nil); r.code != 405 {
			t.Errorf("%s: status %d", method, r.code)
		}
	}
	// Values with quotes and SQL are values.
	for _, value := range []string{`x' OR '1'='1`, `"; DROP TABLE query_executions; --`, `</script><img src=x onerror=alert(1)>`, "%", `\`, "🦆\u202e"} {
		r := s.get("/people?" + all + "&person=" + escape(value))
		page := parse(t, r.body)
		if r.code != 200 || len(find(page, tag("img"))) > 0 || len(find(page, hasClass("error"))) > 0 || !strings.Contains(text(page), "Nothing in this window") {
			t.Errorf("%q: status %d: %.300s", value, r.code, text(page))
		}
		checkMarkup(t, page)
	}
}

func longText() string { return strings.Repeat("x", 5000) }

// hostile is in every text of a lake.
const hostile = "</script><img src=x onerror=alert(1)>\"'`{{.}}\u202e&amp;<b>"

// hostileLake has it in names of people, teams, tables and all else.
func hostileLake(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	store, err := lake.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Create(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().UTC().Add(-time.Hour).Truncate(time.Millisecond)
	home := athenatrail.NewPartition(at, "111122223333", "eu-west-1")
	n, cost := int64(1<<30), athenatrail.Money(5_000_000)
	x := athenatrail.QueryExecution{
		QueryExecutionID: "11111111-2222-4333-8444-555555555555", AccountID: home.Account, RegionName: home.Region, EventID: "22222222-2222-4333-8444-555555555555",
		Who:           athenatrail.Who{Person: hostile, PersonSource: "sso_session", PersonKind: "human", Team: hostile, RoleName: hostile, RoleSessionName: hostile, PrincipalARN: hostile},
		Where:         athenatrail.Where{Tool: hostile, ToolDetail: hostile, SourceIP: hostile, UserAgent: hostile},
		WorkGroupName: hostile, DatabaseName: hostile, CatalogName: hostile, StatementType: hostile, State: "FAILED", StateChangeReason: hostile, ErrorMessage: hostile,
		QueryFingerprint: hostile, TablesAccessed: []string{hostile}, DatabasesAccessed: []string{hostile}, TablesSource: "sql", TextHash: "aa", TextDt: home.Date.String(),
		SubmissionDateTime: at, DataScannedBytes: &n, BilledBytes: &n, Cost: &cost, Currency: "USD", CostBasis: "list", TotalMillis: &n,
	}
	rows := []athenatrail.QueryExecution{x}
	if _, err := lake.WriteTable(t.Context(), l, lake.QueryExecutions, home, lake.QueryExecutions.Sorted(rows), "test"); err != nil {
		t.Fatal(err)
	}
	usage := []athenatrail.UsageRollup{{UsageKey: athenatrail.UsageKey{Slot: at.Truncate(athenatrail.SlotLength), Kind: "sql", Person: hostile, PersonKind: "human", PersonSource: "sso_session", Team: hostile,
		RoleName: hostile, AccountID: home.Account, RegionName: home.Region, WorkGroupName: hostile, Tool: hostile, DatabaseName: hostile, State: "FAILED", CostBasis: "list", Currency: "USD"},
		Executions: 1, Known: 1, Failed: 1, DataScannedBytes: n, BilledBytes: n, Cost: cost, TotalMillis: n, Latency40: 1}}
	if _, err := lake.WriteTable(t.Context(), l, lake.UsageRollup, home, lake.UsageRollup.Sorted(usage), "test"); err != nil {
		t.Fatal(err)
	}
	session := []athenatrail.Session{{SessionID: "33333333-2222-4333-8444-555555555555", AccountID: home.Account, RegionName: home.Region, EventID: "44444444-2222-4333-8444-555555555555",
		Who: x.Who, Where: x.Where, WorkGroupName: hostile, NotebookID: hostile, Description: hostile, StartedAt: at, State: hostile, StateChangeReason: hostile, EndedBy: hostile}}
	if _, err := lake.WriteTable(t.Context(), l, lake.Sessions, home, lake.Sessions.Sorted(session), "test"); err != nil {
		t.Fatal(err)
	}
	activity := []athenatrail.Activity{{EventID: "22222222-2222-4333-8444-555555555555", EventTime: at, EventName: hostile, AccountID: home.Account, RegionName: home.Region, Who: x.Who, Where: x.Where,
		ErrorCode: "AccessDeniedException", ErrorMessage: hostile, WorkGroupName: hostile, QueryExecutionID: x.QueryExecutionID}}
	if _, err := lake.WriteTable(t.Context(), l, lake.Activity, home, lake.Activity.Sorted(activity), "test"); err != nil {
		t.Fatal(err)
	}
	text := athenatrail.QueryText{Home: home, TextHash: "aa", QueryString: "SELECT 1 -- " + hostile + "\n, '" + hostile + "' FROM \"" + hostile}
	if _, err := lake.Merge(t.Context(), l, lake.QueryTexts, home, []athenatrail.QueryText{text}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestHostileTextIsInert opens every page of a lake whose every text would like
// to be markup.
func TestHostileTextIsInert(t *testing.T) {
	s := open(t, web.Options{Lake: web.Lake{Dir: hostileLake(t)}})
	name := escape(hostile)
	paths := append([]string{"/person?person=" + name, "/team?team=" + name, "/workgroup?work_group_name=" + name, "/database?database_name=" + name, "/tool?tool=" + name, "/pattern?query_fingerprint=" + name,
		"/notebook?notebook_id=" + name, "/table?table_name=" + name, "/query?id=11111111", "/query?id=33333333", "/queries?q=" + name, "/queries?q=select", "/people?sort=people:person&person=" + name}, plainPages...)
	shown := 0
	for _, path := range paths {
		r := s.get(path)
		page := parse(t, r.body)
		if r.code != 200 {
			t.Errorf("%s: status %d: %s", path, r.code, text(page))
			continue
		}
		checkMarkup(t, page)
		for _, n := range find(page, tag("img", "b")) {
			t.Errorf("%s has an element <%s> that a name made", path, n.Data)
		}
		for d := range page.Descendants() {
			if d.Type == html.TextNode && strings.Contains(d.Data, "\u202e") && d.Parent.Data != "script" {
				t.Errorf("%s turns the direction of writing in %q", path, d.Data)
			}
		}
		if strings.Contains(text(page), "onerror=alert(1)") {
			shown++
		}
		for _, n := range find(page, func(n *html.Node) bool { return attr(n, "type") == "application/json" }) {
			if !json.Valid([]byte(n.FirstChild.Data)) {
				t.Errorf("%s: what scripts read is no JSON", path)
			}
		}
	}
	if shown < 15 {
		t.Errorf("only %d pages show the text", shown)
	}
	var b strings.Builder
	p := report.Params{From: time.Now().Add(-24 * time.Hour), To: time.Now(), Limit: 5}
	if err := s.web.WriteFile(t.Context(), &b, "overview", p, report.Order{}); err != nil {
		t.Fatal(err)
	}
	page := parse(t, b.String())
	if bad := find(page, tag("img", "b", "script", "link", "a")); len(bad) > 1 || !strings.Contains(b.String(), "onerror") { // the one link is to the content
		t.Errorf("the file has %d elements that it should not have, the first <%s>", len(bad), bad[0].Data)
	}
	for _, n := range find(page, func(n *html.Node) bool { return attr(n, "src") != "" || strings.HasPrefix(attr(n, "href"), "/") }) {
		t.Errorf("the file loads %s%s", attr(n, "src"), attr(n, "href"))
	}
}

// TestLakeThatComesAndGoes starts without a lake, and follows it.
func TestLakeThatComesAndGoes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lake")
	s := open(t, web.Options{Lake: web.Lake{Dir: dir}, Look: 20 * time.Millisecond})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.web.Run(ctx, l, nil) }()
	waitFor := func(code int, words string) {
		t.Helper()
		var r reply
		for range 400 {
			if r = s.get("/people"); r.code == code && strings.Contains(text(parse(t, r.body)), words) {
				return
			}
			time.Sleep(25 * time.Millisecond)
		}
		t.Fatalf("status %d, want %d: %s", r.code, code, text(parse(t, r.body)))
	}
	waitFor(503, "There is no lake yet")
	if r := s.get("/healthz"); r.code != 503 {
		t.Errorf("/healthz: status %d", r.code)
	}
	if r := s.get("/api/v1/views/users"); r.code != 503 || !strings.Contains(r.body, "no lake") {
		t.Errorf("the API: status %d: %s", r.code, r.body)
	}
	store, err := lake.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	made, err := lake.Create(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	row := func(n int, person string) athenatrail.UsageRollup {
		return athenatrail.UsageRollup{UsageKey: athenatrail.UsageKey{Slot: time.Now().UTC().Add(-2 * time.Hour).Truncate(athenatrail.SlotLength), Kind: "sql", Person: person, PersonKind: "human",
			PersonSource: "iam_user", Team: "unassigned", AccountID: "111122223333", RegionName: "eu-west-1"}, Executions: int64(n)}
	}
	home := athenatrail.NewPartition(row(1, "").Slot, "111122223333", "eu-west-1")
	for i, people := range [][]string{{"ana@example.com"}, {"ana@example.com", "bo@example.com"}} {
		var rows []athenatrail.UsageRollup
		for _, p := range people {
			rows = append(rows, row(i+1, p))
		}
		if _, err := lake.WriteTable(t.Context(), made, lake.UsageRollup, home, lake.UsageRollup.Sorted(rows), "test"); err != nil {
			t.Fatal(err)
		}
		waitFor(200, people[len(people)-1])
	}
	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), []byte(`{"format_version": 99}`), 0o644); err != nil {
		t.Fatal(err)
	}
	waitFor(503, "newer athenatrail")
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// TestSlowClientsStopNobody opens connections that send their request byte by
// byte, and asks meanwhile.
func TestSlowClientsStopNobody(t *testing.T) {
	s := demo(t)
	s.get("/healthz") // the lake is open
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.web.Run(ctx, l, nil) }()
	var slow []net.Conn
	for range 100 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
		slow = append(slow, c)
	}
	began := time.Now()
	answer, err := http.Get("http://" + l.Addr().String() + "/limits")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != 200 || time.Since(began) > 4*time.Second {
		t.Errorf("status %d after %s", answer.StatusCode, time.Since(began))
	}
	slow[0].SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := bufio.NewReader(slow[0]).ReadString('\n'); err != nil && !strings.Contains(err.Error(), "EOF") && !strings.Contains(err.Error(), "reset") {
		t.Errorf("a slow connection is not closed: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// TestFloodIsRefused sends more than a client may, and sees that it is told so.
func TestFloodIsRefused(t *testing.T) {
	s := open(t, web.Options{})
	s.get("/healthz")
	var refused, done int
	var mu sync.Mutex
	var group sync.WaitGroup
	for range 300 {
		group.Go(func() {
			r, err := http.Get(s.URL + "/limits")
			if err != nil {
				return
			}
			r.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			switch r.StatusCode {
			case 200:
				done++
			case 429:
				refused++
				if r.Header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
			}
		})
	}
	group.Wait()
	if refused == 0 || done == 0 {
		t.Errorf("%d were answered and %d refused", done, refused)
	}
}

func TestOpenAPIDocument(t *testing.T) {
	s := demo(t)
	r := s.get("/api/v1/openapi.json")
	doc, err := openapi3.NewLoader().LoadFromData([]byte(r.body))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, v := range report.Views() {
		item := doc.Paths.Find("/api/v1/views/" + v.Name)
		if item == nil || item.Get == nil {
			t.Errorf("the document lacks the view %s", v.Name)
			continue
		}
		if v.Name == "users" || v.Name == "queries" || v.Name == "notebooks" || v.Name == "findings" {
			var answer any
			if err := json.Unmarshal([]byte(s.get("/api/v1/views/"+v.Name+"?"+all).body), &answer); err != nil {
				t.Fatal(err)
			}
			schema := item.Get.Responses.Status(200).Value.Content["application/json"].Schema.Value
			if err := schema.VisitJSON(answer, openapi3.EnableJSONSchema2020()); err != nil {
				t.Errorf("%s: the answer is not what the document says: %v", v.Name, err)
			}
		}
	}
}

func TestMetrics(t *testing.T) {
	s := open(t, web.Options{})
	s.get("/people")
	r := s.get("/metrics")
	for _, want := range []string{`athenatrail_http_requests_total{code="200",page="GET /people"} 1`, "athenatrail_lake_readable 1", "athenatrail_view_duration_seconds_count", "athenatrail_lake_complete_to_timestamp_seconds 1.7935"} {
		if !strings.Contains(r.body, want) {
			t.Errorf("no %s in\n%.1500s", want, r.body)
		}
	}
}
