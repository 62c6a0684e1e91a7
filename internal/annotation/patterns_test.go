package annotation

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOwnPatterns(t *testing.T) {
	p, err := NewPatterns([]Pattern{
		{"superset", `^superset user=(?P<user>[^ ]*)(?: dashboard=(?P<detail>\d+))?$`},
		{"cron", `job: (?P<detail>[a-z-]+)`},
		{"anything", `(?P<detail>z*)`},
		{"either", `^by (?P<user>[a-z]+)$|^(?P<user>[a-z]+) asks$`},
		{"my-redash", `Username: (?P<user>[^,]+), query_id: 99,`},
	})
	if err != nil {
		t.Fatal(err)
	}
	f := func(sql, tool, user, detail string) {
		t.Helper()
		got, ok := p.Find(sql)
		if want := (Note{Tool: tool, User: user, Detail: detail}); ok != (tool != "") || !cmp.Equal(want, got, markOnly) {
			t.Errorf("%s\ngot  %+v, %v\nwant %+v", sql, got, ok, want)
		}
	}
	f("-- superset user=ada dashboard=12\nSELECT 1", "superset", "ada", "12")
	f("/*superset user=ada@example.com*/ SELECT 1", "superset", "ada@example.com", "")
	f("SELECT 1 -- superset user=17 dashboard=3", "superset", "superset:17", "3")
	f("SELECT 1 -- superset user=None", "superset", "", "")
	f("SELECT 1 -- superset user=redash:7", "superset", "", "")
	f("SELECT a -- superset user=ada\nFROM t", "", "", "")
	f("SELECT '-- superset user=ada'", "", "", "")
	f("-- job: load-orders, superset user=ada\nSELECT 1", "cron", "", "load-orders")
	f("-- hello\nSELECT 1 -- job: x", "cron", "", "x")
	f("-- by ada\nSELECT 1", "either", "ada", "")
	f("-- ada asks\nSELECT 1", "either", "ada", "")
	f("-- hello\nSELECT 1", "", "", "") // what matches nothing is no match

	// A user's own pattern is tried before the built-in markers, the order of
	// comments counts before both.
	f("/* Username: ada, query_id: 99, Query Hash: 1 */ SELECT 1", "my-redash", "ada", "")
	f("/* Username: ada, query_id: 98, Query Hash: 1 */ SELECT 1", "redash", "ada", "query 98")
	f("/* QuickSight */ -- superset user=ada\nSELECT 1", "quicksight", "", "")
}

func TestPatternErrors(t *testing.T) {
	f := func(pattern string, offset int, reason string) {
		t.Helper()
		good := Pattern{"a", "(?P<user>x)"}
		p, err := NewPatterns([]Pattern{good, {"superset", pattern}, {"", "("}})
		var e *PatternError
		if p != nil || !errors.As(err, &e) {
			t.Errorf("%q: got %v, %v", pattern, p, err)
			return
		}
		if e.Index != 1 || e.Field != "pattern" || e.Offset != offset || !strings.Contains(e.Reason, reason) {
			t.Errorf("%q: got %+v; want offset %d, %s", pattern, *e, offset, reason)
		}
	}
	f("", 0, "is empty")
	f("user=(.*)", 0, "has no group")
	f("(?P<usr>.*)", 0, "has no group")
	f("(?P<user>a", 0, "missing closing )")
	f("x(a)(?P<user>(b)", 4, "missing closing )")
	f("(?P<user>a))(b)", 11, "unexpected )")
	f("(?P<user>[a-z)", 9, "missing closing ]")
	f("(?P<user>[z-a]*)", 10, "invalid character class range")
	f("(?P<user>a)b**", 12, "invalid nested repetition operator")
	f("a*b*(?P<user>x)*+", 15, "invalid nested repetition operator")
	f("(?P<user>a)|*", 12, "missing argument to repetition operator")
	f("(?P<user>a{2})(?P<detail>a{1001})", 26, "invalid repeat count")
	f("(?P<user a>a)", 0, "invalid named capture")
	f(`(?P<user>\d)\y`, 12, "invalid escape sequence")
	f(`(?P<user>a)\`, 11, "trailing backslash")
	f("(?P<user>a)(?=b)", 11, "invalid or unsupported Perl syntax")
	f("(?P<user>a)\xff", 11, "invalid UTF-8")
	f("(?P<user>a)"+strings.Repeat("x", maxPattern), maxPattern, "want at most 1024")
	f("(?P<user>((x{100}){100}){100})", 18, "invalid repeat count")

	tool := func(name string, offset int) {
		t.Helper()
		_, err := NewPatterns([]Pattern{{name, "(?P<user>x)"}})
		var e *PatternError
		if !errors.As(err, &e) || e.Field != "tool" || e.Offset != offset {
			t.Errorf("%q: got %v", name, err)
		}
	}
	tool("", 0)
	tool("my tool", 2)
	tool("Superset", 0)
	tool("a:b", 1)
	tool(strings.Repeat("a", 65), 64)

	_, err := NewPatterns(make([]Pattern, maxPatterns+1))
	var e *PatternError
	if !errors.As(err, &e) || e.Field != "" || !strings.Contains(err.Error(), "33 patterns: want at most 32") {
		t.Errorf("got %v", err)
	}
	_, err = NewPatterns([]Pattern{{"superset", "(?P<user>[a)"}})
	if want := "comments[0].pattern, column 10: missing closing ]: \"[a)\""; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// FuzzPatternErrors checks that what is wrong is always in the pattern.
func FuzzPatternErrors(f *testing.F) {
	for _, s := range []string{"(", ")", "[", "a**", `\`, "(?P<a>", "\xff", "{1001}", "((((a{1000}){1000}){1000}){1000})", "x{2,1}", "[[:x:]]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		_, err := NewPatterns([]Pattern{{"a", pattern}})
		var e *PatternError
		if errors.As(err, &e) && (e.Offset < 0 || e.Offset > len(pattern) || e.Reason == "") {
			t.Fatalf("%+v", e)
		}
	})
}

func TestHash(t *testing.T) {
	hash := func(patterns ...Pattern) string {
		p, err := NewPatterns(patterns)
		if err != nil {
			t.Fatal(err)
		}
		return p.Hash()
	}
	a, b := Pattern{"a", "(?P<user>x)"}, Pattern{"a", "(?P<user>y)"}
	all := []string{hash(), hash(a), hash(b), hash(a, b), hash(b, a), hash(Pattern{"b", a.Pattern})}
	for i, h := range all {
		if len(h) != 16 {
			t.Errorf("%q", h)
		}
		for _, other := range all[:i] {
			if h == other {
				t.Errorf("%s twice", h)
			}
		}
	}
	if (*Patterns)(nil).Hash() != hash() {
		t.Error("nil has another hash than no patterns")
	}
}
