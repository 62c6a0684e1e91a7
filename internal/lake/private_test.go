package lake

import (
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/athenatrail/athenatrail"
)

// TestSaltIsOne lets many writers make the salt at once.
func TestSaltIsOne(t *testing.T) {
	dir := t.TempDir()
	salts := make([]string, 20)
	var all sync.WaitGroup
	for i := range salts {
		all.Go(func() {
			store, err := OpenStore(dir)
			if err != nil {
				t.Error(err)
				return
			}
			l, err := Create(t.Context(), store)
			if err != nil {
				t.Error(err)
				return
			}
			salt, err := l.Salt(t.Context())
			if err != nil {
				t.Error(err)
			}
			salts[i] = hex.EncodeToString(salt)
		})
	}
	all.Wait()
	for _, salt := range salts {
		if len(salt) != 64 || salt != salts[0] {
			t.Fatalf("salts %q", salts)
		}
	}
	path := filepath.Join(dir, "_private", "salt")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others may read it: %v", info.Mode())
	}
	store, _ := OpenStore(dir)
	copied := t.TempDir()
	if err := Mirror(t.Context(), store, copied); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(copied, "_private")); err == nil {
		t.Error("a mirror has the salt")
	}
	if err := os.WriteFile(path, []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Salt(t.Context()); err == nil || strings.Contains(err.Error(), "short") {
		t.Errorf("a damaged salt: %v", err)
	}
	if data, _ := os.ReadFile(path); string(data) != "short\n" {
		t.Error("a damaged salt was replaced")
	}
}

func TestForgottenLists(t *testing.T) {
	ctx := t.Context()
	store, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l, err := Create(ctx, store)
	if err != nil {
		t.Fatal(err)
	}
	p := athenatrail.Partition{Date: 20000, Account: "111122223333", Region: "eu-west-1"}
	a, b := strings.Repeat("a", 32), strings.Repeat("b", 32)
	for _, hashes := range []map[string]bool{{b: true}, {a: true, b: true}} {
		if err := l.Forget(ctx, p, hashes); err != nil {
			t.Fatal(err)
		}
	}
	got, err := l.Forgotten(ctx, p)
	if err != nil || len(got) != 2 || !got[a] || !got[b] {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := l.Forgotten(ctx, p.On(p.Date+1)); err != nil || len(got) != 0 {
		t.Errorf("another day: %v, %v", got, err)
	}
	days := 0
	for q, err := range l.ForgottenDays(ctx) {
		if err != nil || q != p {
			t.Errorf("%v, %v", q, err)
		}
		days++
	}
	if days != 1 {
		t.Errorf("%d days", days)
	}
	for _, d := range []athenatrail.Date{20000, 20005, 19000} {
		if err := l.ForgetBefore(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	if d, err := l.ForgottenBefore(ctx); err != nil || d != 20005 {
		t.Errorf("%v, %v", d, err)
	}
	for problem := range Verify(ctx, l, "") {
		t.Error(problem)
	}
}

func TestRewrite(t *testing.T) {
	ctx := context.Background()
	store, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l, err := Create(ctx, store)
	if err != nil {
		t.Fatal(err)
	}
	p := athenatrail.Partition{Date: 20000, Account: "111122223333", Region: "eu-west-1"}
	var rows []athenatrail.QueryText
	for _, hash := range []string{"a", "b", "c", "d"} {
		rows = append(rows, athenatrail.QueryText{Home: p, TextHash: hash, QueryString: "SELECT " + hash})
	}
	if _, err := Merge(ctx, l, QueryTexts, p, rows); err != nil {
		t.Fatal(err)
	}
	check := func(removed, altered int, want string, change func(*athenatrail.QueryText) bool) {
		t.Helper()
		r, a, err := Rewrite(ctx, l, QueryTexts, p, change)
		if err != nil || r != removed || a != altered {
			t.Errorf("removed %d, altered %d, %v; want %d and %d", r, a, err, removed, altered)
		}
		got := ""
		for q, err := range Read(ctx, l, QueryTexts, p) {
			if err != nil {
				t.Fatal(err)
			}
			got += q.TextHash + "=" + q.QueryString + " "
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		for problem := range Verify(ctx, l, "") {
			t.Error(problem)
		}
	}
	const all = "a=SELECT a b=SELECT b c=SELECT c d=SELECT d "
	check(0, 0, all, func(*athenatrail.QueryText) bool { return true })
	check(1, 0, "a=SELECT a c=SELECT c d=SELECT d ", func(q *athenatrail.QueryText) bool { return q.TextHash != "b" })
	// Keys move, and two become one.
	check(0, 2, "0=SELECT c d=SELECT d ", func(q *athenatrail.QueryText) bool {
		if q.TextHash == "a" || q.TextHash == "c" {
			q.TextHash = "0"
		}
		return true
	})
	check(2, 0, "", func(*athenatrail.QueryText) bool { return false })
	for file, err := range l.List(ctx, "facts/") {
		t.Errorf("%v is left, %v", file, err)
	}
}
