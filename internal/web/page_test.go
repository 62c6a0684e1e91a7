package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/athenatrail/athenatrail/internal/cli"
)

// subjects are pages that are about one thing of the demo.
func subjects(s *site) []string {
	ids := s.rows("/api/v1/queries?" + all + "&limit=1&where=query_fingerprint!=")
	if len(ids) == 0 {
		s.t.Fatal("the demo has no execution with SQL")
	}
	id := ids[0]["query_execution_id"].(string)
	sessions := s.rows("/api/v1/views/notebooks?" + all + "&where=notebook_id!=")
	patterns := s.rows("/api/v1/views/patterns?" + all + "&limit=1")
	calculations := s.rows("/api/v1/views/calculations?" + all + "&limit=1")
	return []string{
		"/person?person=nora@example.com&" + all, "/team?team=data-science&" + all, "/workgroup?work_group_name=etl&" + all, "/database?database_name=web&" + all,
		"/tool?tool=dbt&" + all, "/table?table_name=awsdatacatalog.web.page_views&" + all, "/query?id=" + id, "/query?id=" + id[:8],
		"/pattern?query_fingerprint=" + patterns[0]["query_fingerprint"].(string) + "&" + all,
		"/notebook?notebook_id=" + sessions[0]["notebook_id"].(string) + "&" + all, "/query?id=" + sessions[0]["session_id"].(string),
		"/query?id=" + calculations[0]["calculation_execution_id"].(string),
	}
}

var plainPages = []string{"/", "/people", "/teams", "/workgroups", "/databases", "/tables", "/tools", "/queries", "/patterns", "/findings", "/notebooks", "/failures", "/limits", "/health"}

// TestEveryPageAnswers opens every page and looks for panels that failed.
func TestEveryPageAnswers(t *testing.T) {
	s := demo(t)
	paths := subjects(s)
	for _, p := range plainPages {
		paths = append(paths, p+"?"+all)
	}
	for _, path := range append(paths, "/", "/people?window=24h", "/queries?window=all", "/teams?window=90d&person!=nora@example.com") {
		t.Run(path, func(t *testing.T) {
			r := s.get(path)
			if r.code != 200 || r.header.Get("Content-Type") != "text/html; charset=utf-8" {
				t.Fatalf("status %d, %s: %s", r.code, r.header.Get("Content-Type"), text(parse(t, r.body)))
			}
			for name, want := range map[string]string{"Content-Security-Policy": "frame-ancestors 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store"} {
				if got := r.header.Get(name); !strings.Contains(got, want) {
					t.Errorf("header %s is %q, want %q in it", name, got, want)
				}
			}
			page := parse(t, r.body)
			for _, n := range find(page, hasClass("error")) {
				t.Errorf("a panel failed: %s", text(n))
			}
			checkMarkup(t, page)
			about := text(page)
			for _, want := range []string{"Time zone UTC", "Complete to 2026-11-02 04:50", "Prices AWS's list prices"} {
				if !strings.Contains(about, want) {
					t.Errorf("the page does not say %q", want)
				}
			}
		})
	}
}

// checkMarkup looks for what the policy forbids, and for what readers without a
// mouse or a screen need.
func checkMarkup(t *testing.T, page *html.Node) {
	t.Helper()
	ids := map[string]bool{}
	for _, n := range find(page, func(*html.Node) bool { return true }) {
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				t.Errorf("<%s> has the attribute %s", n.Data, a.Key)
			}
			if (a.Key == "href" || a.Key == "src" || a.Key == "action") && !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "#") {
				t.Errorf("<%s> leads to %q", n.Data, a.Val)
			}
			if a.Key == "id" && ids[a.Val] {
				t.Errorf("two elements have the id %q", a.Val)
			} else if a.Key == "id" {
				ids[a.Val] = true
			}
		}
		switch n.Data {
		case "script":
			if attr(n, "src") == "" && attr(n, "type") != "application/json" {
				t.Error("there is a script in the page")
			}
		case "style":
			t.Error("there is a style in the page")
		case "table":
			if len(find(n, tag("caption"))) != 1 {
				t.Error("a table has no caption")
			}
		case "th":
			if attr(n, "scope") == "" {
				t.Errorf("the heading %q has no scope", text(n))
			}
		case "input":
			if attr(n, "type") != "hidden" && attr(n, "id") == "" && (n.Parent == nil || n.Parent.Data != "label") {
				t.Errorf("the field %s has no label", attr(n, "name"))
			}
		}
	}
	if len(find(page, hasClass("skip"))) != 1 || len(find(page, tag("h1"))) != 1 {
		t.Error("the page wants a link to skip to its content, and one heading")
	}
}

// TestNumbersAreTheReports compares every number on every page with what the
// panel's own JSON download says.
func TestNumbersAreTheReports(t *testing.T) {
	s := demo(t)
	numbers := 0
	for _, path := range append(subjects(s), plainPages...) {
		if !strings.Contains(path, "?") {
			path += "?" + all
		}
		page := s.page(path)
		for _, figure := range find(page, tag("figure")) {
			link := ""
			for _, a := range find(figure, tag("a")) {
				if text(a) == "JSON" {
					link = attr(a, "href")
				}
			}
			if link == "" {
				continue
			}
			kind := attr(figure, "data-chart")
			rows := s.rows(link)
			name := path + " " + attr(figure, "id")
			switch kind {
			case "tiles":
				numbers += checkTiles(t, name, figure, rows)
			case "stack", "heat", "week":
				numbers += checkSums(t, name, figure, rows)
			case "strip":
				numbers += checkStrip(t, name, figure, rows)
			case "statement":
				dense := func(s string) string { return strings.Join(strings.Fields(s), "") } // each token is a text of its own
				if want, _ := rows[0]["query_string"].(string); want == "" || dense(text(find(figure, tag("pre"))[0])) != dense(want) {
					t.Errorf("%s: the page shows %q and the report has %q", name, text(find(figure, tag("pre"))[0]), want)
				}
			default:
				if section := sectionOf(name); section != "" {
					rows = slices.DeleteFunc(rows, func(row map[string]any) bool { return row["section"] != section })
				}
				numbers += checkTable(t, name, figure, rows)
			}
		}
	}
	if numbers < 2000 {
		t.Errorf("only %d numbers were compared", numbers)
	}
}

// data returns what a figure hands to scripts.
func data(t *testing.T, figure *html.Node) (d struct {
	Columns []struct{ Name, Kind string }
	Rows    [][]any
}) {
	t.Helper()
	for _, n := range find(figure, tag("script")) {
		dec := json.NewDecoder(strings.NewReader(n.FirstChild.Data))
		dec.UseNumber()
		if err := dec.Decode(&d); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func checkTable(t *testing.T, name string, figure *html.Node, rows []map[string]any) (numbers int) {
	t.Helper()
	d := data(t, figure)
	body := find(figure, tag("tbody"))
	if len(d.Columns) == 0 || len(body) != 1 {
		if len(rows) > 0 && len(find(figure, hasClass("empty"))) > 0 {
			t.Errorf("%s: the page says that there is nothing, and the report has %d rows", name, len(rows))
		}
		return 0
	}
	for n, tr := range find(body[0], tag("tr")) {
		cells := find(tr, tag("td", "th"))
		if n >= len(rows) {
			t.Errorf("%s: row %d is not in the report", name, n)
			return numbers
		}
		for i, c := range d.Columns {
			want := rows[n][c.Name]
			got := attr(cells[i], "data-v")
			if c.Name == "query_execution_id" && want == nil {
				want = rows[n]["event_id"]
			}
			if plain(want) != got {
				t.Errorf("%s: row %d: %s is %q on the page and %v in the report", name, n, c.Name, got, want)
			}
			if fmt.Sprint(d.Rows[n][i]) != fmt.Sprint(want) && want != nil {
				t.Errorf("%s: row %d: %s is %v for scripts and %v in the report", name, n, c.Name, d.Rows[n][i], want)
			}
			if want != nil && text(cells[i]) == "" {
				t.Errorf("%s: row %d: %s shows nothing", name, n, c.Name)
			}
			if _, ok := want.(json.Number); ok {
				numbers++
			}
		}
	}
	return numbers
}

// sectionOf returns the section of its view that a panel shows.
func sectionOf(name string) string {
	path, panel, _ := strings.Cut(name, " ")
	if strings.HasPrefix(path, "/health") {
		return map[string]string{
			"sources": "source", "todo": "to do", "problems": "problems", "files": "log files", "asked": "asked of CloudTrail", "gaps": "gaps", "persons": "persons by",
		}[panel]
	}
	return map[string]string{"attribution": "attribution", "missing": "gaps"}[panel]
}

// checkStrip compares the days of each account and region.
func checkStrip(t *testing.T, name string, figure *html.Node, rows []map[string]any) (numbers int) {
	t.Helper()
	got := map[string]bool{}
	for _, tr := range find(find(figure, tag("tbody"))[0], tag("tr")) {
		cells, sum := find(tr, tag("td", "th")), new(big.Rat)
		place := attr(cells[0], "data-v") + " " + attr(cells[1], "data-v")
		without := 0
		for _, title := range find(tr, tag("title")) {
			day, n, ok := strings.Cut(text(title), ": ")
			if strings.HasPrefix(n, "nothing") {
				without++
				continue
			}
			if n = strings.Fields(strings.ReplaceAll(n, ",", ""))[0]; !ok {
				t.Errorf("%s: a day says %q", name, text(title))
			}
			add(t, sum, n)
			got[place+" "+day+" "+n] = true
			numbers++
		}
		if attr(cells[2], "data-v") != sum.FloatString(0) || attr(cells[3], "data-v") != fmt.Sprint(without) {
			t.Errorf("%s: %s says %s and %s, its days %s and %d", name, place, attr(cells[2], "data-v"), attr(cells[3], "data-v"), sum.FloatString(0), without)
		}
	}
	for _, row := range rows {
		if key := fmt.Sprint(row["account_id"], " ", row["region_name"], " ", row["day"], " ", row["log_files"]); !got[key] {
			t.Errorf("%s: %s is not on the page", name, key)
		}
	}
	if len(got) != len(rows) || numbers == 0 {
		t.Errorf("%s: %d days on the page, %d in the report", name, len(got), len(rows))
	}
	return numbers
}

func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return fmt.Sprint(v)
	}
	return fmt.Sprint(v)
}

func checkTiles(t *testing.T, name string, figure *html.Node, rows []map[string]any) (numbers int) {
	t.Helper()
	if len(rows) == 0 {
		return 0
	}
	if rows[0]["section"] != nil && rows[0]["section"] != "total" {
		t.Fatalf("%s: the first row is of the section %v", name, rows[0]["section"])
	}
	var values []string
	for _, v := range rows[0] {
		values = append(values, plain(v))
	}
	for _, dd := range find(figure, tag("dd")) {
		numbers++
		got := attr(dd, "data-v")
		found := false
		for _, v := range values {
			found = found || v == got
		}
		if !found {
			t.Errorf("%s: %s is not in the report", name, got)
		}
	}
	return numbers
}

// checkSums adds up what a chart's table shows and compares it with the rows:
// nothing may be lost on the way, apart from what a heat map says it leaves out.
func checkSums(t *testing.T, name string, figure *html.Node, rows []map[string]any) (numbers int) {
	t.Helper()
	value := attr(figure, "data-value")
	want := new(big.Rat)
	for _, row := range rows {
		if n, ok := row[value].(json.Number); ok {
			add(t, want, n.String())
		}
	}
	got := new(big.Rat)
	body := find(figure, tag("tbody"))
	if len(body) == 0 {
		return 0
	}
	for _, tr := range find(body[0], tag("tr")) {
		cells := find(tr, tag("td"))
		if attr(figure, "data-chart") == "stack" { // the last is the sum of the others
			all, parts := new(big.Rat), new(big.Rat)
			for _, c := range cells[:len(cells)-1] {
				add(t, parts, attr(c, "data-v"))
			}
			add(t, all, attr(cells[len(cells)-1], "data-v"))
			if all.Cmp(parts) != 0 {
				t.Errorf("%s: %s adds up to %s", name, text(tr), parts.FloatString(9))
			}
			got.Add(got, all)
			numbers += len(cells)
			continue
		}
		for _, c := range cells {
			add(t, got, attr(c, "data-v"))
			numbers++
		}
	}
	if len(find(figure, hasClass("note"))) > 0 && attr(figure, "data-chart") == "heat" {
		if got.Cmp(want) > 0 {
			t.Errorf("%s: the map shows more than there is", name)
		}
		return numbers
	}
	if got.Cmp(want) != 0 {
		t.Errorf("%s: the chart adds up to %s, the report to %s", name, got.FloatString(9), want.FloatString(9))
	}
	return numbers
}

func add(t *testing.T, sum *big.Rat, text string) {
	t.Helper()
	if text == "" {
		return
	}
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("%q is no number", text)
	}
	sum.Add(sum, n)
}

// humans counts the humans that the page People lists.
func humans(page *html.Node) string {
	n := 0
	for _, tr := range find(find(find(page, hasID("people"))[0], tag("tbody"))[0], tag("tr")) {
		if text(find(tr, tag("td"))[0]) == "human" {
			n++
		}
	}
	return fmt.Sprint(n)
}

// TestAPIIsTheCommandLine compares files of the dashboard with what the command
// line prints, byte by byte.
func TestAPIIsTheCommandLine(t *testing.T) {
	s := demo(t)
	lake := lakeDir(t)
	for query, args := range map[string][]string{
		"users?limit=5":                                {"users", "--limit", "5"},
		"overview?limit=5&format=csv":                  {"overview", "--limit", "5", "--output", "csv"},
		"usage?by=team,day&limit=0":                    {"usage", "--by", "team,day", "--limit", "0"},
		"queries?where=person=nora@example.com&own=1":  {"queries", "--where", "person=nora@example.com", "--own"},
		"who-reads?arg=web.page_views&format=markdown": {"who-reads", "web.page_views", "--output", "markdown"},
		"teams?sort=-executions&limit=2":               {"teams", "--sort=-executions", "--limit", "2"},
		"health":                                       {"health"},
		"deliveries":                                   {"deliveries"},
		"anomalies":                                    {"anomalies"},
	} {
		full := query
		if query != "health" && query != "deliveries" {
			full += map[bool]string{true: "&", false: "?"}[strings.Contains(query, "?")] + all
			args = append(args, "--from", "2026-10-26", "--to", "2026-11-03")
		}
		if !strings.Contains(query, "format=") {
			args = append(args, "--output", "json")
		}
		var out, talk bytes.Buffer
		args = append([]string{"report", "--config", lake + "/athenatrail.yaml", "--lake", lake}, args...)
		if code := cli.Main(context.Background(), args, strings.NewReader(""), &out, &talk); code != 0 {
			t.Fatalf("%v: exit %d: %s", args, code, talk.String())
		}
		if r := s.get("/api/v1/views/" + full); r.code != 200 || r.body != out.String() {
			t.Errorf("%s: status %d, got\n%.600s\nwant\n%.600s", full, r.code, r.body, out.String())
		}
	}
}

// TestLinksLeadToTheRows follows the numbers of a ranking to the executions
// behind them, and counts these.
func TestLinksLeadToTheRows(t *testing.T) {
	s := demo(t)
	followed := 0
	for _, path := range []string{"/people?" + all, "/databases?" + all, "/tools?" + all, "/workgroups?" + all} {
		for _, figure := range find(s.page(path), tag("figure")) {
			d := data(t, figure)
			body := find(figure, tag("tbody"))
			if len(body) == 0 || attr(figure, "data-chart") != "table" {
				continue
			}
			for n, tr := range find(body[0], tag("tr")) {
				if n%7 != 0 {
					continue
				}
				cells := find(tr, tag("td", "th"))
				for i, c := range d.Columns {
					links := find(cells[i], tag("a"))
					if c.Name != "executions" && c.Name != "failed" || len(links) == 0 {
						continue
					}
					followed++
					sums := find(s.page(attr(links[0], "href")), hasClass("sums"))
					want := attr(cells[i], "data-v") + " execution"
					if got := strings.ReplaceAll(text(sums[0]), ",", ""); !strings.HasPrefix(got, want) {
						t.Errorf("%s: %s of %s is %s, and the link leads to %s", path, c.Name, text(cells[0]), attr(cells[i], "data-v"), got)
					}
				}
			}
		}
	}
	// The parts of a chart lead there too, by the cells of the table behind it.
	for _, figure := range find(s.page("/failures?"+all), tag("figure")) {
		if attr(figure, "data-chart") != "stack" {
			continue
		}
		for _, cell := range find(find(figure, tag("tbody"))[0], tag("td")) {
			links := find(cell, tag("a"))
			if len(links) == 0 {
				continue
			}
			followed++
			want := attr(cell, "data-v") + " execution"
			if got := find(s.page(attr(links[0], "href")), hasClass("sums")); !strings.HasPrefix(text(got[0]), want) {
				t.Errorf("/failures: a part of a column is %s, and the link leads to %s", want, text(got[0]))
			}
		}
	}
	// So do hours of the week, where one hour is behind a cell: of eight days two
	// are Mondays.
	for window, ambiguous := range map[string]bool{"from=2026-10-26&to=2026-10-30": false, all: true} {
		for _, figure := range find(s.page("/person?person=airflow-worker&"+window), hasClass("kind-week")) {
			without := 0
			for _, cell := range find(find(figure, tag("tbody"))[0], tag("td")) {
				links := find(cell, tag("a"))
				switch {
				case attr(cell, "data-v") == "0" && len(links) > 0:
					t.Error("an hour without executions leads somewhere")
				case attr(cell, "data-v") != "0" && len(links) == 0:
					without++
				case len(links) > 0:
					followed++
					want := attr(cell, "data-v") + " execution"
					if got := find(s.page(attr(links[0], "href")), hasClass("sums")); !strings.HasPrefix(text(got[0]), want) {
						t.Errorf("an hour is %s, and the link leads to %s", want, text(got[0]))
					}
				}
			}
			if (without > 0) != ambiguous {
				t.Errorf("%s: %d hours lead nowhere", window, without)
			}
		}
	}
	// What the lake lacks leads to the executions that lack it, and how many
	// people there are to who they are.
	for _, id := range []string{"gaps", "persons"} {
		for _, figure := range find(s.page("/health"), hasID(id)) {
			for _, tr := range find(find(figure, tag("tbody"))[0], tag("tr")) {
				cells := find(tr, tag("td", "th"))
				followed++
				sums := strings.Fields(text(find(s.page(attr(find(cells[1], tag("a"))[0], "href")), hasClass("sums"))[0]))
				n := 0
				for i := range sums[:len(sums)-1] { // 72 executions, 3 refused calls
					if of := sums[i+1]; strings.HasPrefix(of, "execution") || strings.HasPrefix(of, "refused") {
						k, _ := strconv.Atoi(strings.ReplaceAll(sums[i], ",", ""))
						n += k
					}
				}
				if fmt.Sprint(n) != attr(cells[1], "data-v") {
					t.Errorf("%s of %s are %s, and the link leads to %s", id, text(cells[0]), attr(cells[1], "data-v"), strings.Join(sums, " "))
				}
			}
		}
	}
	for _, tr := range find(find(find(s.page("/databases?"+all), hasID("databases"))[0], tag("tbody"))[0], tag("tr")) {
		cell := find(tr, tag("td"))[0]
		links := find(cell, tag("a"))
		if (len(links) == 1) != (attr(cell, "data-v") != "0") {
			t.Errorf("%s people have %d links", attr(cell, "data-v"), len(links))
		} else if len(links) == 1 {
			followed++
			if page := s.page(attr(links[0], "href")); humans(page) != attr(cell, "data-v") {
				t.Errorf("%s people, and the link leads to %s", attr(cell, "data-v"), humans(page))
			}
		}
	}
	if followed < 40 {
		t.Errorf("followed %d links", followed)
	}
}

// TestSearchPages walks the pages of executions by their links.
func TestSearchPages(t *testing.T) {
	s := demo(t)
	path := "/queries?" + all + "&rows=20&sort=" + escape("queries:-cost")
	seen := map[string]bool{}
	var last *big.Rat
	for range 30 {
		page := s.page(path)
		for _, tr := range find(find(page, tag("tbody"))[0], tag("tr")) {
			cells := find(tr, tag("td", "th"))
			id := attr(cells[1], "data-v")
			if seen[id] {
				t.Fatalf("%s is on two pages", id)
			}
			seen[id] = true
			for i, c := range data(t, find(page, tag("figure"))[0]).Columns {
				if c.Name != "cost" || attr(cells[i], "data-v") == "" {
					continue
				}
				n, _ := new(big.Rat).SetString(attr(cells[i], "data-v"))
				if last != nil && n.Cmp(last) > 0 {
					t.Fatalf("%s costs more than the row before", id)
				}
				last = n
			}
		}
		next := find(page, func(n *html.Node) bool { return attr(n, "rel") == "next" })
		if len(next) == 0 {
			break
		}
		path, _, _ = strings.Cut(attr(next[0], "href"), "#")
	}
	want := len(s.rows("/api/v1/views/queries?" + all + "&limit=0"))
	if len(seen) != want || want < 50 {
		t.Errorf("the pages have %d executions, the report %d", len(seen), want)
	}
}
