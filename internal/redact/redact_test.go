package redact

import (
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/annotation"
)

var salt = []byte("0123456789abcdef0123456789abcdef")

func TestText(t *testing.T) {
	const sql = "-- Metabase:: userID: 7 queryType: native queryHash: 2f5f2dd44bd8e5ce3f2de2b6b5e34a39d1b8ca6a2ecb2ab8b5e4b3a2df0b6f44\n" +
		"INSERT INTO sales.copies SELECT * FROM orders WHERE name = 'Jane Doe' /* secret */"
	row := func(mode Mode) athenatrail.QueryText {
		q := athenatrail.QueryText{TextHash: athenatrail.HashText(sql), QueryString: sql}
		New(mode, salt, nil).Text(&q)
		return q
	}
	if got := row(Full); got.QueryString != sql || got.TextHash != athenatrail.HashText(sql) || got.Fingerprint != "" {
		t.Errorf("full: %+v", got)
	}
	masked, bare := row(LiteralsMasked), row(FingerprintOnly)
	if want := "INSERT INTO sales.copies SELECT * FROM orders WHERE name = ?"; masked.QueryString != want {
		t.Errorf("masked: %q", masked.QueryString)
	}
	if bare.QueryString != "" {
		t.Errorf("fingerprint only: %q", bare.QueryString)
	}
	masked.QueryString = ""
	if !reflect.DeepEqual(masked, bare) {
		t.Errorf("the modes differ in more than the text:\n%+v\n%+v", masked, bare)
	}
	if len(bare.TextHash) != len("hmac:")+64 || !strings.HasPrefix(bare.TextHash, "hmac:") || bare.Fingerprint == "" || bare.Probe == nil || *bare.Probe {
		t.Errorf("%+v", bare)
	}
	if want := []string{"orders", "sales.copies"}; !reflect.DeepEqual(bare.Tables, want) {
		t.Errorf("tables %q, want %q", bare.Tables, want)
	}
	if want := []string{"sales.copies"}; !reflect.DeepEqual(bare.TablesWritten, want) {
		t.Errorf("written %q, want %q", bare.TablesWritten, want)
	}
	// The comment is known as before, and holds no hash of the text.
	note, ok := (*annotation.Patterns)(nil).Find(bare.Comment)
	if !ok || note.Tool != "metabase" || note.User != "metabase:7" || strings.Contains(bare.Comment, "2f5f") {
		t.Errorf("comment %q: %+v", bare.Comment, note)
	}
	other := athenatrail.QueryText{TextHash: athenatrail.HashText(sql), QueryString: sql}
	New(LiteralsMasked, []byte("another salt"), nil).Text(&other)
	if other.TextHash == masked.TextHash {
		t.Error("two lakes have the same hash")
	}
}

func TestTextsThatCannotBeCut(t *testing.T) {
	for _, sql := range []string{"SELECT 'Jane", `SELECT 'it\'s Jane' FROM t WHERE a = 'x'`, `SELECT 'a\' FROM jane WHERE b = \''`} {
		q := athenatrail.QueryText{TextHash: athenatrail.HashText(sql), QueryString: sql}
		New(LiteralsMasked, salt, nil).Text(&q)
		if q.QueryString != "" || q.Tables != nil || q.Fingerprint == "" {
			t.Errorf("%s: %+v", sql, q)
		}
	}
}

func TestMessages(t *testing.T) {
	f := func(message, sql, want string) {
		t.Helper()
		m := messagesOf(sql)
		got := m.mask(message)
		if got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", message, got, want)
		}
		if again := (&messages{}).mask(got); again != got {
			t.Errorf("%s: masked again %s", got, again)
		}
	}
	f("", "SELECT 1", "")
	f("COLUMN_NOT_FOUND: line 1:8: Column 'jane' cannot be resolved", "", "COLUMN_NOT_FOUND: line 1:8: Column ? cannot be resolved")
	f("line 1:8: mismatched input 'a'. Expecting: 'b', 'c'", "", "line 1:8: mismatched input ?")
	f("it doesn't know Jane", "", "it doesn?")
	f(`HIVE_CURSOR_ERROR: For input string: "Jane`, "", "HIVE_CURSOR_ERROR: For input string: ?")
	f("HIVE_BAD_DATA: Error parsing Jane", "", "HIVE_BAD_DATA: ?")
	f("INVALID_CAST_ARGUMENT: Value cannot be cast to date: Jane", "SELECT 1", "INVALID_CAST_ARGUMENT: ?")
	f("Cannot read s3://bucket/name=Jane/x.csv of 4111 bytes", "", "Cannot read s3://? of ? bytes")
	f("No partition Jane Doe, but Janet Doe", "SELECT 'Jane Doe', 'Jane'", "No partition ?, but Janet Doe")
	f("Query exhausted resources at this scale factor", "SELECT 'at'", "Query exhausted resources ? this scale factor")
	f("SYNTAX_ERROR: something of Jane", "SELECT 'Jane", "SYNTAX_ERROR: ?")
	f("something of Jane", `SELECT 'it\'s' FROM t`, "?")
}

func TestRecords(t *testing.T) {
	r := New(LiteralsMasked, salt, nil)
	f := func(record, want string) {
		t.Helper()
		got := r.record(record)
		if got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", record, got, want)
		}
		if again := r.record(got); again != got {
			t.Errorf("%s: again %s", got, again)
		}
	}
	plain := athenatrail.HashText("SELECT 'Jane'")
	f(`{"a":1.50,"requestParameters":{"queryString":"***OMITTED***"},"responseElements":null}`,
		`{"a":1.50,"requestParameters":{"queryString":"***OMITTED***"},"responseElements":null}`)
	f(`{"requestParameters":{"executionParameters":["'Jane'"],"n":1.50,"queryString":"sha256:`+plain+`"}}`,
		`{"requestParameters":{"executionParameters":"HIDDEN_FOR_SECURITY_REASONS","n":1.50,"queryString":"`+r.hash(plain)+`"}}`)
	f(`{"requestParameters":{"queries":[{"query":"SELECT 'Jane'"},{"query":["SELECT 'Jane'"]}]}}`,
		`{"requestParameters":{"queries":[{"query":"`+r.hash(plain)+`"},{"query":"HIDDEN_FOR_SECURITY_REASONS"}]}}`)
	f(`{"errorCode":"InvalidRequestException","errorMessage":"line 1:1: mismatched input 'Jane'"}`,
		`{"errorCode":"InvalidRequestException","errorMessage":"line 1:1: mismatched input ?"}`)
	f(`{"errorCode":"AccessDeniedException","errorMessage":"User: arn:aws:iam::111122223333:user/x is not authorized"}`,
		`{"errorCode":"AccessDeniedException","errorMessage":"User: arn:aws:iam::111122223333:user/x is not authorized"}`)
	f(`{"userIdentity":{"query":"x"}}`, `{"userIdentity":{"query":"x"}}`)
}

func TestDetail(t *testing.T) {
	d := athenatrail.Detail{
		TextHash: athenatrail.HashText("SELECT ?"), Message: "for 'Jane'",
		Answer: `{"ExecutionParameters":["'Jane'","5"],"Statistics":{"DataScannedInBytes":1.0},"Status":{"AthenaError":{"ErrorMessage":"bad Jane"},"State":"FAILED","StateChangeReason":"X: 'Jane'"}}`,
	}
	r := New(FingerprintOnly, salt, nil)
	r.Detail(&d, "SELECT ?")
	want := `{"ExecutionParameters":["?","?"],"Statistics":{"DataScannedInBytes":1.0},"Status":{"AthenaError":{"ErrorMessage":"bad ?"},"State":"FAILED","StateChangeReason":"X: ?"}}`
	if d.Answer != want || d.Message != "for ?" || !strings.HasPrefix(d.TextHash, "hmac:") {
		t.Errorf("%+v", d)
	}
}

// TestTwiceIsOnce is what lets the facts of a lake be redacted later.
func TestTwiceIsOnce(t *testing.T) {
	texts := []string{"SELECT 'Jane' FROM t", "SELECT 'Jane", "/* Redash */ SELECT 1", "line 5:6: 'x' y", "", "a\\'b", "HIVE_BAD_DATA: x 7", "\u2028\"é"}
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string { return rapid.SampledFrom(texts).Draw(t, name) }
		r := New(rapid.SampledFrom([]Mode{LiteralsMasked, FingerprintOnly}).Draw(t, "mode"), salt, nil)
		e := athenatrail.Event{ID: "sha256:00112233445566778899aabbccddeeff", TextHash: athenatrail.HashText(text("sql")), Record: encode(map[string]any{
			"errorMessage": text("message"), "requestParameters": map[string]any{"query": text("query"), "payload": text("payload")},
		})}
		d := athenatrail.Detail{Message: text("why"), Answer: encode(map[string]any{"Status": map[string]any{"StateChangeReason": text("reason")}})}
		q := athenatrail.QueryText{QueryString: text("text")}
		q.TextHash = athenatrail.HashText(q.QueryString)
		r.Event(&e)
		r.Detail(&d, text("of"))
		r.Text(&q)
		e2, d2, q2 := e, d, q
		r.Event(&e2)
		r.Detail(&d2, "")
		r.Text(&q2)
		if e2 != e || d2 != d || !reflect.DeepEqual(q2, q) {
			t.Errorf("once:  %+v %+v %+v\ntwice: %+v %+v %+v", e, d, q, e2, d2, q2)
		}
	})
}
