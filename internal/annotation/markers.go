package annotation

import (
	"net/url"
	"strings"
)

// markers are the comments by which tools name themselves, tried in this order
// for each comment. The comments say what each rests on, as in the tables of
// package identity: D documented, R read in the tool's source or in its own
// output, B believed.
//
// Left out: Superset writes nothing unless its SQL_QUERY_MUTATOR is set (D), so
// it is for a user's own patterns. Airflow writes nothing (R amazon provider).
// Datadog's comments (dddbs, ddps) name a service of the user's, not a tool. Of
// Tableau, Power BI, PopSQL, Preset and Count no form could be found.
var markers = []struct {
	tool  string
	form  form
	place place
	read  func(inside string) (reading, bool)
}{
	{"redash", block | line, head, redash},         // R getredash/redash query_runner annotate_query; -- in old versions for DML
	{"metabase", line, head, metabase},             // R metabase query_processor/util.clj default-query->remark
	{"looker", line, head | tail | middle, looker}, // D Looker docs, admin-panel-server-usage; the place varies: R public samples
	{"dbt", block | line, head | tail, dbt},        // R dbt-adapters query_headers.py, dbt-athena's too
	{"openmetadata", block, head, openMetadata},    // R OpenMetadata ingestion render_query_header
	{"mode", line, tail, mode},                     // R datahub tool_meta_extractor.py and its samples
	{"hex", line, head | tail, hexNotebook},        // R datahub hex query_fetcher.py and its samples
	{"sigma", line, tail, sigma},                   // R public samples of generated SQL
	{"lightdash", line, tail, lightdash},           // R lightdash AthenaWarehouseClient.ts, RunQueryTags
	{"thoughtspot", block, head, thoughtSpot},      // D ThoughtSpot docs, connections-query-tags
	{"quicksight", block, head, quickSight},        // R uber/athenadriver's samples, with and without a UUID
	{"", block, head, application},                 // R public samples, over JDBC; which applications: there
	{"", block, tail, sqlcommenter},                // D google.github.io/sqlcommenter/spec
}

// redash reads
//
//	Username: ada@example.com, query_id: 12, Queue: queries, Job ID: .., Query Hash: .., Scheduled: False
//
// The fields are a Python dict's and have no fixed order; what a field holds is
// not quoted, so a comma ends it only before a next field. Of a scheduled run
// Username is the query's owner, who set the schedule up and so answers for
// the run (R tasks/queries/maintenance.py, refresh_queries); older versions say
// "Scheduled". A run by an API key says <ApiKey: 3>, which is nobody. An ad hoc
// query has no number.
func redash(inside string) (reading, bool) {
	if trimmed, ok := strings.CutSuffix(inside, " --"); ok {
		inside = strings.TrimSpace(trimmed)
	}
	f := map[string]string{}
	key, value := "", ""
	for piece := range strings.SplitSeq(inside, ", ") {
		k, v, ok := strings.Cut(piece, ": ")
		if ok && isFieldName(k) {
			if key != "" && !put(f, key, value) {
				return reading{}, false
			}
			key, value = k, v
		} else if key == "" {
			return reading{}, false
		} else {
			value += ", " + piece
		}
	}
	if key == "" || !put(f, key, value) {
		return reading{}, false
	}
	user, named := f["Username"]
	if _, ok := f["Query Hash"]; !ok || !named {
		return reading{}, false
	}
	id := f["query_id"]
	if id == "" {
		id = f["Query ID"]
	}
	return reading{user: user, detail: numbered("query", id)}, true
}

// isFieldName reports whether s can be the name of one of Redash's fields.
func isFieldName(s string) bool {
	return s != "" && len(s) <= 32 && !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '_' || r == ' ')
	})
}

// put sets a field and reports whether it was new: what names a field twice is
// not what a program wrote.
func put(f map[string]string, key, value string) bool {
	if _, ok := f[key]; ok {
		return false
	}
	f[key] = strings.TrimSpace(value)
	return true
}

// metabase reads
//
//	Metabase:: userID: 7 queryType: native queryHash: <64 hex digits>
//
// or Metabase alone, where nobody is logged in: public and embedded questions.
// queryHash changes with the question's parameters, so it is no detail; drivers
// of third parties add dashboardID and cardID.
func metabase(inside string) (reading, bool) {
	if inside == "Metabase" {
		return reading{}, true
	}
	rest, ok := strings.CutPrefix(inside, "Metabase:: ")
	if !ok {
		return reading{}, false
	}
	words := strings.Fields(rest)
	f := map[string]string{}
	for i := 0; i < len(words); i += 2 {
		key, ok := strings.CutSuffix(words[i], ":")
		if !ok || i+1 == len(words) || !put(f, key, words[i+1]) {
			return reading{}, false
		}
	}
	// A cut comment may have lost what would show that it is none.
	hash := f["queryHash"]
	if f["queryType"] == "" || len(hash) != 64 || strings.Trim(hash, "0123456789abcdef") != "" {
		return reading{}, false
	}
	r := reading{user: idOf(f["userID"]), detail: numbered("dashboard", f["dashboardID"])}
	if r.detail == "" {
		r.detail = numbered("card", f["cardID"])
	}
	return r, true
}

// looker reads
//
//	Looker Query Context '{"user_id":6,"history_slug":"..","instance_slug":".."}'
//
// history_slug names one run, instance_slug the server: neither is a detail.
func looker(inside string) (reading, bool) {
	rest, ok := strings.CutPrefix(inside, "Looker Query Context '")
	if !ok {
		return reading{}, false
	}
	rest, ok = strings.CutSuffix(rest, "'")
	if !ok {
		return reading{}, false
	}
	o, ok := readObject(rest)
	if !ok || !o.has("history_slug") && !o.has("instance_slug") {
		return reading{}, false
	}
	return reading{user: idOf(o.text("user_id"))}, true
}

// dbt reads
//
//	{"app": "dbt", "dbt_version": "1.8.3", .., "node_id": "model.shop.orders"}
//
// or the text that dbt's documentation proposes instead. The Athena adapter
// makes a line comment of the block comment, and may put it before the last
// semicolon, which then belongs to the line. Without node_id a connection asks
// for itself.
func dbt(inside string) (reading, bool) {
	if rest, ok := strings.CutPrefix(inside, "/*"); ok {
		rest, ok = strings.CutSuffix(strings.TrimRight(rest, "; \t"), "*/")
		if !ok {
			return reading{}, false
		}
		inside = strings.TrimSpace(rest)
	}
	if strings.EqualFold(inside, "executed by dbt") {
		return reading{}, true
	}
	o, ok := readObject(inside)
	if !ok || o.text("app") != "dbt" {
		return reading{}, false
	}
	return reading{detail: o.text("node_id")}, true
}

// openMetadata reads {"app": "OpenMetadata", "version": "1.5.0"}.
func openMetadata(inside string) (reading, bool) {
	o, ok := readObject(inside)
	return reading{}, ok && o.text("app") == "OpenMetadata"
}

// mode reads
//
//	{"user":"@ada","email":"ada@example.com","url":"https://modeanalytics.com/team/reports/6234ff78bc7d/runs/..","scheduled":false}
//
// The report in the URL stays the same from run to run.
func mode(inside string) (reading, bool) {
	o, ok := readObject(inside)
	if !ok || !o.has("email") {
		return reading{}, false
	}
	address := o.text("url")
	for _, host := range []string{
		"https://modeanalytics.com/", // R datahub's samples
		"https://app.mode.com/",      // B its newer name
		"https://mode.com/",          // B
	} {
		if path, ok := strings.CutPrefix(address, host); ok {
			return reading{user: emailOf(o.text("email")), detail: prefixed("report", segment(path, "reports"))}, true
		}
	}
	return reading{}, false
}

// hexNotebook reads
//
//	Hex query metadata: {"context": "SCHEDULED_RUN", "project_id": "d73d..", .., "user_email": "ada@example.com"}
func hexNotebook(inside string) (reading, bool) {
	rest, ok := strings.CutPrefix(inside, "Hex query metadata:")
	if !ok {
		return reading{}, false
	}
	o, ok := readObject(rest)
	if !ok || !o.has("project_id") {
		return reading{}, false
	}
	return reading{user: emailOf(o.text("user_email")), detail: prefixed("project", o.text("project_id"))}, true
}

// sigma reads
//
//	Sigma Σ {"sourceUrl":"https://app.sigmacomputing.com/team/workbook/Sales-5Sd96Rf9","kind":"adhoc","request-id":"g019..","user-id":"..","email":"ada@example.com"}
//
// Of the URL's last part only what follows the last hyphen stays the same when
// the workbook is renamed.
func sigma(inside string) (reading, bool) {
	rest, ok := strings.CutPrefix(inside, "Sigma Σ ")
	if !ok {
		return reading{}, false
	}
	o, ok := readObject(rest)
	if !ok || !o.has("request-id") {
		return reading{}, false
	}
	book := segment(o.text("sourceUrl"), "workbook")
	return reading{user: emailOf(o.text("email")), detail: prefixed("workbook", book[strings.LastIndexByte(book, '-')+1:])}, true
}

// lightdash reads
//
//	{"organization_uuid":"..","project_uuid":"..","user_uuid":"..","dashboard_uuid":"..","chart_uuid":"..","query_context":"dashboard"}
func lightdash(inside string) (reading, bool) {
	o, ok := readObject(inside)
	if !ok || !o.has("project_uuid") || !o.has("organization_uuid") {
		return reading{}, false
	}
	r := reading{user: idOf(o.text("user_uuid")), detail: prefixed("dashboard", o.text("dashboard_uuid"))}
	if r.detail == "" {
		r.detail = prefixed("chart", o.text("chart_uuid"))
	}
	return r, true
}

// thoughtSpot reads partner: ThoughtSpot, and the same with a quoted name and
// an object that is not JSON and whose user_id is a hash.
func thoughtSpot(inside string) (reading, bool) {
	rest, ok := strings.CutPrefix(inside, "partner:")
	if !ok {
		return reading{}, false
	}
	rest = strings.TrimSpace(rest)
	if rest == "ThoughtSpot" {
		return reading{}, true
	}
	rest, ok = strings.CutPrefix(rest, `"ThoughtSpot"`)
	rest = strings.TrimSpace(rest)
	return reading{}, ok && (rest == "" || rest[0] == '{')
}

// quickSight reads QuickSight 12345678-1234-5678-812c-4a02cbae96b8. What the
// UUID names is not documented, so it is no detail.
func quickSight(inside string) (reading, bool) {
	rest, ok := strings.CutPrefix(inside, "QuickSight")
	rest = strings.TrimSpace(rest)
	return reading{}, ok && (rest == "" || isUUID(rest))
}

// application reads ApplicationName=DBeaver 22.3.3 - SQLEditor <Script-2.sql>.
func application(inside string) (reading, bool) {
	name, ok := strings.CutPrefix(inside, "ApplicationName=")
	if !ok {
		return reading{}, false
	}
	for _, a := range []struct{ name, tool string }{
		{"DBeaver", "dbeaver"},        // R public samples
		{"DataGrip", "datagrip"},      // R public samples
		{"IntelliJ IDEA", "intellij"}, // B as DataGrip
	} {
		if rest, ok := strings.CutPrefix(name, a.name); ok && (rest == "" || rest[0] == ' ') {
			return reading{tool: a.tool}, true
		}
	}
	return reading{}, false
}

// commenters are the applications and frameworks by which a comment of
// sqlcommenter's form names a tool.
var commenters = []string{"airflow", "dagster", "dbt", "grafana", "metabase", "prefect", "redash", "superset"}

// sqlcommenter reads
//
//	application='airflow',dag_id='nightly',task_id='load',user='ada%40example.com'
//
// The specification has keys for programs only: application and framework count
// where they name a tool, with a version or not. Others write the user beside
// them; that counts where it is an e-mail address, since nobody could say whose
// number or name another one is. dag_id and task_id are Airflow's own words (B
// as keys). A comment that tells neither tool nor person is no marker.
func sqlcommenter(inside string) (reading, bool) {
	f := map[string]string{}
	for rest := inside; ; {
		key, value, ok := strings.Cut(rest, "='")
		if !ok || key == "" || strings.ContainsAny(key, " \t\r\n',=") {
			return reading{}, false
		}
		end := strings.IndexByte(value, '\'')
		for end > 0 && value[end-1] == '\\' {
			n := strings.IndexByte(value[end+1:], '\'')
			if n < 0 {
				return reading{}, false
			}
			end += 1 + n
		}
		if end < 0 {
			return reading{}, false
		}
		rest = strings.TrimLeft(value[end+1:], " \t\r\n")
		key, err := url.PathUnescape(key)
		text, err2 := url.PathUnescape(strings.ReplaceAll(value[:end], `\'`, `'`))
		if err != nil || err2 != nil || !put(f, key, text) {
			return reading{}, false
		}
		if rest == "" {
			break
		}
		if rest, ok = strings.CutPrefix(rest, ","); !ok {
			return reading{}, false
		}
		rest = strings.TrimLeft(rest, " \t\r\n")
	}
	var r reading
	for _, key := range []string{"application", "framework"} {
		for _, name := range commenters {
			rest, ok := cutPrefixFold(f[key], name)
			if ok && r.tool == "" && (rest == "" || strings.IndexByte(":/ -", rest[0]) >= 0) {
				r.tool = name
			}
		}
	}
	for _, key := range []string{"user", "user_email"} {
		if r.user == "" {
			r.user = emailOf(f[key])
		}
	}
	if r.tool == "airflow" {
		if r.detail = f["dag_id"]; r.detail != "" && f["task_id"] != "" {
			r.detail += "." + f["task_id"]
		}
	}
	return r, r.tool != "" || r.user != ""
}

func cutPrefixFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// numbered returns "what 12" for a number.
func numbered(what, number string) string {
	if isUUID(number) || idOf(number) == "" {
		return ""
	}
	return what + " " + number
}

// prefixed returns "what id" for an id of letters, digits, - and _.
func prefixed(what, id string) string {
	if id == "" || len(id) > 64 || strings.ContainsFunc(id, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
	}) {
		return ""
	}
	return what + " " + id
}

// segment returns the part of a URL's path that follows the part name.
func segment(address, name string) string {
	_, rest, ok := strings.Cut(address, "/"+name+"/")
	if !ok {
		return ""
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return rest
}
