package glob

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMatch(t *testing.T) {
	f := func(pattern, name string, want bool) {
		t.Helper()
		p := New(pattern)
		if got := p.Match(name); got != want {
			t.Errorf("%q matches %q: %v, want %v", pattern, name, got, want)
		}
	}
	f("", "", true)
	f("", "a", false)
	f("rosa", "ROSA", true)
	f("Rosa", "rosa", true)
	f("*", "", true)
	f("*@example.com", "rosa@example.com", true)
	f("*@example.com", "rosa@example.org", false)
	f("etl-*", "etl-nightly", true)
	f("etl-*-eu", "etl-eu", false)
	f("*svc*", "my-svc-1", true)
	f("a?c", "abc", true)
	f("a?c", "ac", false)
	f("*a*b*", "xxaxxbxx", true)
	f("*a*b*", "xxbxxaxx", false)
	f(strings.Repeat("*a", 50)+"b", strings.Repeat("a", 5000), false)
}

// TestAgainstRegexp compares every form with a regular expression.
func TestAgainstRegexp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringOfN(rapid.SampledFrom([]rune("aB*?")), 0, 8, -1).Draw(t, "pattern")
		name := rapid.StringOfN(rapid.SampledFrom([]rune("abAB")), 0, 8, -1).Draw(t, "name")
		re := strings.NewReplacer(`\*`, "(?s:.*)", `\?`, "(?s:.)").Replace(regexp.QuoteMeta(pattern))
		want := regexp.MustCompile("(?i)^" + re + "$").MatchString(name)
		p := New(pattern)
		if got := p.Match(name); got != want {
			t.Fatalf("%q matches %q: %v, want %v", pattern, name, got, want)
		}
	})
}
