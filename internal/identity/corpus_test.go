package identity

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
)

var update = flag.Bool("update", false, "write testdata/*.tsv from what the ladder answers; then read every line of the difference")

// decode returns the record of a JSON object.
func decode(t testing.TB, object map[string]any) athenatrail.Record {
	t.Helper()
	canonical, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	r, err := cloudtrail.DecodeRecord(string(canonical))
	if err != nil {
		t.Fatalf("%s: %v", canonical, err)
	}
	return r
}

// withIdentity returns a record with that userIdentity and nothing else that
// could tell who called.
func withIdentity(identity any) map[string]any {
	return map[string]any{
		"eventTime": "2026-05-04T08:10:11Z", "eventSource": "athena.amazonaws.com", "eventName": "StartQueryExecution",
		"userIdentity": identity,
	}
}

// Every public sample has one line in testdata, found by its number and the
// start of its SHA-256: who it is, of what kind, by which rung and how sure;
// and by which rung, who, of what kind and how sure a role session is whose
// credentials this caller took.
// Each line was judged against its sample; -update writes them anew, and then
// every line of the difference is to be judged again.
func TestCorpus(t *testing.T) {
	corpus := os.Getenv("ATHENATRAIL_CORPUS")
	if corpus == "" {
		t.Skip("ATHENATRAIL_CORPUS is not set")
	}
	settings, err := NewSettings(SettingsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, wrap := range map[string]func(map[string]any) map[string]any{
		"identity-samples": func(o map[string]any) map[string]any { return withIdentity(o) },
		"athena-records":   func(o map[string]any) map[string]any { return o },
	} {
		t.Run(name, func(t *testing.T) {
			samples, err := os.ReadFile(filepath.Join(corpus, name+".jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			lines := bufio.NewScanner(bytes.NewReader(samples))
			lines.Buffer(nil, 1<<20)
			for n := 1; lines.Scan(); n++ {
				var object map[string]any
				if err := json.Unmarshal(lines.Bytes(), &object); err != nil {
					t.Fatalf("line %d: %v", n, err)
				}
				r := decode(t, wrap(object))
				who, mfa := Resolve(&r, nil, nil, settings)
				sum := sha256.Sum256(lines.Bytes())
				second := "-"
				if mfa != nil {
					second = fmt.Sprint(*mfa)
				}
				// Whom a role session is whose credentials this caller took.
				behind := roleCall("etl", "botocore-session-1700000000")
				behind.EventTime, behind.Identity.AccessKeyID = r.EventTime, "ASIABEHINDEXAMPLE001"
				known := &facts{issues: map[string][]*Issue{athenatrail.HashAccessKey("ASIABEHINDEXAMPLE001"): {{
					&athenatrail.RoleSession{EventName: "AssumeRole", Issued: r.EventTime, SourceIP: r.SourceIP, UserAgent: r.UserAgent}, r.Identity,
				}}}}
				chain, _ := Resolve(&behind, known, nil, settings)
				fmt.Fprintln(&got, strings.Join([]string{
					fmt.Sprint(n), hex.EncodeToString(sum[:6]), who.Person, who.PersonKind, who.PersonSource,
					orDash(who.PersonTrust), orDash(who.RoleName), orDash(who.RoleSessionName), second,
					chain.PersonSource, chain.Person, chain.PersonKind, chain.PersonTrust,
				}, "\t"))
			}
			file := filepath.Join("testdata", name+".tsv")
			if *update {
				if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			compareLines(t, strings.Split(string(want), "\n"), strings.Split(got.String(), "\n"))
		})
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func compareLines(t *testing.T, want, got []string) {
	t.Helper()
	if len(want) != len(got) {
		t.Errorf("%d lines, want %d", len(got)-1, len(want)-1)
	}
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			t.Errorf("line %d\n got %s\nwant %s", i+1, got[i], want[i])
		}
	}
}
