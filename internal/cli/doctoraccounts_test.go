package cli_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/athenatrail/athenatrail/internal/cli"
	"github.com/athenatrail/athenatrail/internal/directory/directorytest"
	"github.com/athenatrail/athenatrail/internal/lake"
)

const (
	ownAccount     = "100000000001"
	deniedAccount  = "100000000005" // BatchGetQueryExecution
	settingsDenied = "100000000006" // GetWorkGroup
	noRoleAccount  = "100000000007" // its role trusts nobody
	silentAccount  = "100000000008" // the configuration wants no details
	closedAccount  = "100000000009"
	unknownAccount = "999999999999" // of the events alone, with a role that is not there
)

// twelve are the accounts of the configuration.
func twelve() (accounts []string) {
	for i := range 12 {
		accounts = append(accounts, fmt.Sprintf("1000000000%02d", i+1))
	}
	return accounts
}

// company starts what the accounts are asked, and points the SDK at it. What
// answers late is told by delay.
func company(t *testing.T, delay func() time.Duration) *athenaapitest.Server {
	t.Helper()
	config := athenaapitest.Config{
		Lookup: func(string, string, string) (athenaapitest.Execution, bool) { return athenaapitest.Execution{}, false },
		Keys:   []athenaapitest.Key{{ID: "AKIATESTKEY01EXAMPLE", Secret: "secret", Account: ownAccount, ARN: "arn:aws:iam::" + ownAccount + ":user/reader"}},
		Fault:  func(athenaapitest.Call) athenaapitest.Fault { return athenaapitest.Fault{Delay: delay()} },
		Deny: func(c athenaapitest.Call) bool {
			return c.Account == deniedAccount && c.Operation == "BatchGetQueryExecution" ||
				c.Account == settingsDenied && (c.Operation == "GetWorkGroup" || c.Operation == "ListWorkGroups")
		},
	}
	organization := directorytest.Config{Managers: []string{ownAccount}, Keys: map[string]string{"AKIATESTKEY01EXAMPLE": ownAccount}}
	for _, id := range twelve() {
		if id != noRoleAccount {
			config.Roles = append(config.Roles, athenaapitest.Role{ARN: "arn:aws:iam::" + id + ":role/athenatrail-reader"})
		}
		state := ""
		if id == closedAccount {
			state = "SUSPENDED"
		}
		organization.Accounts = append(organization.Accounts, directorytest.Account{ID: id, Name: "team " + id[10:], State: state})
	}
	server, err := athenaapitest.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	names := directorytest.Start(organization)
	t.Cleanup(names.Close)
	for k, v := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ENDPOINT_URL_ORGANIZATIONS": names.URL, "AWS_ACCESS_KEY_ID": "AKIATESTKEY01EXAMPLE",
		"AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true",
		"HOME": t.TempDir(), "XDG_CACHE_HOME": t.TempDir(),
	} {
		t.Setenv(k, v)
	}
	return server
}

// companyLake holds events of three accounts in several regions, one of them
// too old to count, one of nobody knows where.
func companyLake(t *testing.T) string {
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
	for i, at := range []struct {
		account, region string
		days            int
	}{
		{"100000000002", "us-east-1", 1}, {"100000000002", "eu-west-1", 2}, {"100000000003", "us-east-1", 1}, {"100000000003", "us-west-2", 50},
		{unknownAccount, "eu-west-1", 3}, {"", "", 1},
	} {
		moment := time.Now().UTC().AddDate(0, 0, -at.days).Truncate(time.Second)
		p := athenatrail.NewPartition(moment, at.account, at.region)
		event := athenatrail.Event{Home: p, ID: fmt.Sprint("e", i), Time: moment, Name: "StartQueryExecution", Record: "{}"}
		if _, err := lake.Merge(t.Context(), l, lake.Events, p, []athenatrail.Event{event}); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// doctor runs it over all accounts and returns its exit code, its rows and what
// it said.
func doctor(t *testing.T, args ...string) (code int, rows []map[string]string, said string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = cli.Main(context.Background(), append([]string{"doctor", "--all-accounts", "--output", "csv"}, args...), strings.NewReader(""), &stdout, &stderr)
	lines, err := csv.NewReader(&stdout).ReadAll()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	for _, line := range lines[min(1, len(lines)):] {
		row := map[string]string{}
		for i, name := range lines[0] {
			row[name] = line[i]
		}
		rows = append(rows, row)
	}
	return code, rows, stderr.String()
}

func companyConfig(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("version: 1\nassume_role: arn:aws:iam::{account}:role/athenatrail-reader\ndirectory: {work_groups: true}\naccounts:\n")
	for _, id := range twelve() {
		fmt.Fprintf(&b, "  - id: %q\n    name: configured %s\n", id, id[10:])
		if id == silentAccount {
			b.WriteString("    details: none\n")
		}
		if id == "100000000004" {
			b.WriteString("    regions: [us-west-2, ap-south-1]\n")
		}
	}
	file := filepath.Join(t.TempDir(), "athenatrail.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Of twelve accounts one is denied, one has settings that may not be read, one
// has no role, one is closed, and the events name a thirteenth: the others are
// well, each of those is named with what is missing.
func TestDoctorOfAllAccounts(t *testing.T) {
	server := company(t, func() time.Duration { return 0 })
	code, rows, said := doctor(t, "--config", companyConfig(t), "--lake", companyLake(t))
	if code != 3 {
		t.Errorf("exit code %d\n%s", code, said)
	}
	var got []string
	for _, r := range rows {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s: role %s, details %s, settings %s %s", r["account_id"], r["region_name"], r["result"], r["role"], r["details"], r["work_group_settings"], r["missing"])))
	}
	fine := func(account, region string) string {
		return account + " " + region + " ok: role ok, details ok, settings ok"
	}
	want := []string{
		ownAccount + " eu-west-1 ok: role own, details ok, settings ok",
		fine("100000000002", "eu-west-1"), fine("100000000002", "us-east-1"), fine("100000000003", "us-east-1"),
		fine("100000000004", "ap-south-1"), fine("100000000004", "us-west-2"),
		deniedAccount + " eu-west-1 failed: role ok, details denied, settings ok athena:BatchGetQueryExecution",
		settingsDenied + " eu-west-1 failed: role ok, details ok, settings denied athena:GetWorkGroup",
		noRoleAccount + " eu-west-1 failed: role denied, details , settings  sts:AssumeRole",
		silentAccount + " eu-west-1 note: role ok, details , settings",
		closedAccount + " eu-west-1 note: role , details , settings",
		fine("100000000010", "eu-west-1"), fine("100000000011", "eu-west-1"), fine("100000000012", "eu-west-1"),
		unknownAccount + " eu-west-1 failed: role denied, details , settings  sts:AssumeRole",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	for _, r := range rows {
		switch r["account_id"] {
		case deniedAccount:
			if !strings.Contains(r["fix"], "deploy/policy/details.json") {
				t.Errorf("fix %q", r["fix"])
			}
		case settingsDenied:
			if !strings.Contains(r["fix"], "deploy/policy/directory.json") || r["work_groups"] != "denied" {
				t.Errorf("%v", r)
			}
		case noRoleAccount, unknownAccount:
			if !strings.Contains(r["fix"], "assume-reader.json") || !strings.Contains(r["fix"], "reader-role-trust.json") {
				t.Errorf("fix %q", r["fix"])
			}
		case "100000000010":
			if r["known_from"] != "configuration, organization" || r["name"] != "configured 10" {
				t.Errorf("%v", r)
			}
		}
	}
	for _, operation := range []string{"BatchGetQueryExecution", "GetWorkGroup", "ListWorkGroups"} {
		if n := server.Counts(operation).Requests; n > 4*len(rows) {
			t.Errorf("%s: %d calls for %d places", operation, n, len(rows))
		}
	}
}

// Without a role for them, accounts are named, and the own one is still asked.
func TestDoctorWithoutRoles(t *testing.T) {
	company(t, func() time.Duration { return 0 })
	code, rows, _ := doctor(t, "--lake", companyLake(t))
	if code != 3 || len(rows) == 0 {
		t.Fatalf("exit code %d, %d rows", code, len(rows))
	}
	for _, r := range rows {
		switch {
		case r["account_id"] == ownAccount:
			if r["result"] != "ok" || r["role"] != "own" {
				t.Errorf("%v", r)
			}
		case r["account_id"] == closedAccount:
		case r["result"] != "failed" || r["role"] != "no role" || r["missing"] != "sts:AssumeRole" || !strings.Contains(r["fix"], "accounts:"):
			t.Errorf("%v", r)
		}
	}
}

// In which order the answers come makes no difference.
func TestDoctorInAnyOrder(t *testing.T) {
	config, folder := companyConfig(t), companyLake(t)
	var first []map[string]string
	for range 4 {
		company(t, func() time.Duration { return rand.N(30 * time.Millisecond) })
		_, rows, _ := doctor(t, "--config", config, "--lake", folder)
		if first == nil {
			first = rows
		}
		if diff := cmp.Diff(first, rows); diff != "" || len(rows) < 12 {
			t.Fatalf("%d rows, other than before:\n%s", len(rows), diff)
		}
	}
}

func TestDoctorWithoutCredentials(t *testing.T) {
	company(t, func() time.Duration { return 0 })
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	code, rows, said := doctor(t, "--lake", t.TempDir())
	if code != 1 || len(rows) > 0 || !strings.Contains(said, "no AWS credentials") {
		t.Errorf("exit code %d, %d rows\n%s", code, len(rows), said)
	}
}
