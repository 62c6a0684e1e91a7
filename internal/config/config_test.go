package config

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/annotation"
	"github.com/athenatrail/athenatrail/internal/anomaly"
	"github.com/athenatrail/athenatrail/internal/limit"
	"github.com/athenatrail/athenatrail/internal/notify"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/team"
)

// load writes text to athenatrail.yaml in a folder of its own and loads it.
func load(t testing.TB, text string, env []string, flags ...Flag) (*Config, error) {
	t.Helper()
	dir := t.TempDir()
	if text != "" {
		if err := os.WriteFile(filepath.Join(dir, DefaultFile), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	back, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chdir(dir); err != nil {
		t.Fatal(err)
	}
	defer os.Chdir(back)
	return Load(t.Context(), Options{Environ: env, Flags: flags})
}

func TestExampleHasEveryKey(t *testing.T) {
	c, err := Load(t.Context(), Options{File: "testdata/athenatrail.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		File:    "testdata/athenatrail.yaml",
		Lake:    "s3://amzn-s3-demo-lake/athenatrail",
		Sources: []string{"s3://amzn-s3-demo-trail", "testdata/more-logs"},
		Profile: "audit",
		Regions: []string{"eu-west-1", "us-east-1"},
		Accounts: []Account{
			{ID: "111122223333", Name: "analytics", OU: "Root/Production/Data", Role: "arn:aws:iam::111122223333:role/athenatrail-reader",
				ExternalID: "correct-horse-battery-staple", Regions: []string{"eu-west-1"}},
			{ID: "012345678901", Name: "sandbox", Details: DetailsNone},
		},
		AssumeRole: "arn:aws:iam::{account}:role/athenatrail-reader",
		Details:    DetailsAPI,
		Lookback:   48 * time.Hour,
		Rates:      Rates{10, 2.5, 2.5, 2.5, 2.5, 1.5},
		Caps:       Caps{8_000_000, 1_000_000_000},
		Retention:  map[string]int{"activity": 400, "query_texts": 90},
		Prices: []Price{{Region: "eu-west-1", From: "2026-01-01", SQLPerTB: "4.50", SparkPerDPUHour: "0.35",
			CapacityPerDPUHour: "0.30", Currency: "EUR"}},
		PriceUnits:       UnitsBinary,
		ZeroByteDML:      ZeroByteMinimum,
		SharedPrincipals: []string{"metabase", "airflow-*"},
		OwnPrincipals:    []string{"arn:aws:iam::111122223333:role/athenatrail", "arn:aws:iam::*:role/athenatrail-reader"},
		Teams: []team.Rule{
			{Team: "growth", Person: "*@growth.example.com", From: date(t, "2026-01-01"), To: date(t, "2026-07-01")},
			{Team: "platform", Role: "etl-*", Account: "111122223333", WorkGroup: "nightly-?", Tool: "dbt"},
			{Team: "science", Account: "sandbox-*", OU: "Root/Sandbox*", WorkGroupTag: "cost-centre=cc-42*"},
			{WorkGroupTag: "team"},
		},
		Directory: Directory{File: "testdata/people.csv", AccountsFile: "testdata/accounts.csv", IdentityStore: true, IdentityStoreRegion: "eu-west-1", Accounts: true, WorkGroups: true},
		Comments:  []annotation.Pattern{{Tool: "reporter", Pattern: `^reporter user=(?P<user>\S+)( report=(?P<detail>\S+))?$`}},
		Serve: Serve{
			Listen: "127.0.0.1:8443", TLSCert: "testdata/serve.crt", TLSKey: "testdata/serve.key", TokenFile: "testdata/admin.token",
			Users:        []ServeUser{{Name: "growth", TokenFile: "testdata/growth.token", Role: "team", Teams: []string{"growth"}}, {Name: "rosa", TokenFile: "testdata/rosa.token", Role: "self", Person: "rosa@example.com"}},
			TrustedProxy: ServeProxy{Header: "X-Forwarded-User", GroupsHeader: "X-Forwarded-Groups", From: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
			OIDC: ServeOIDC{Issuer: "https://id.example.com", ClientID: "athenatrail", ClientSecretFile: "testdata/oidc.secret",
				RedirectURL: "https://athenatrail.example.com/login/callback", Scopes: []string{"email", "groups"}, UserClaim: "email", GroupsClaim: "groups"},
			Roles:    []ServeRole{{Group: "data-platform", Role: "admin"}, {User: "*", Role: "self"}},
			SQLRoles: []string{"admin", "self"},
		},
		Engine: Engine{Name: EngineAthena, Database: "usage", Catalog: "AwsDataCatalog", WorkGroup: "athenatrail", OutputLocation: "s3://usage-lake-results/athenatrail/",
			Staging: "s3://usage-lake-staging/", SystemTable: `"s3tablescatalog/aws-athena".metadata.query_executions`,
			Region: "eu-west-1", ResultReuse: time.Hour, BytesCutoff: 20_000_000_000, TrinoURL: "https://ana@trino.example.com:8443"},
		Catalog:          Catalog{Glue: true, LakeFormation: true, File: "testdata/tables.csv", GrantsFile: "testdata/grants.json"},
		PartitionColumns: []PartitionColumn{{"awsdatacatalog.raw.clickstream", "dt"}, {"awsdatacatalog.raw.clickstream", "hour"}, {"awsdatacatalog.sales.orders", "dt"}},
		Limits: []limit.Definition{
			{Name: "analysts-day", Match: limit.Match{Person: []string{"*@example.com"}, PersonKind: []string{"human"}, Team: []string{"growth", "science"}},
				Per: "person", Measure: "scanned_bytes", Window: "day", Timezone: "Europe/Berlin", Amount: "2 TB",
				Thresholds: []string{"80%: notify", "100%: stop", "120%: block"}, Mode: "observe",
				Exempt: []limit.Exempt{{Match: limit.Match{Person: []string{"rosa@example.com"}}, Until: "2026-12-01", Reason: "year-end closing"}}},
			{Name: "sandbox-month", Match: limit.Match{Role: []string{"sandbox-*"}, Account: []string{"012345678901"}, WorkGroup: []string{"primary"},
				Database: []string{"raw"}, Table: []string{"raw.*"}, Tool: []string{"dbt"}},
				Per: "all", Measure: "cost", Window: "30d", Amount: "500 EUR", AllowShared: true, AskForMore: "Write to data-platform@example.com."},
			{Name: "adhoc-day", Match: limit.Match{WorkGroup: []string{"adhoc"}}, Per: "work_group", Measure: "scanned_bytes", Window: "day", Amount: "5 TB",
				Thresholds: []string{"80%: cutoff", "100%: block"}, Cutoff: "50 GB", Mode: "warn"},
		},
		Protect: []string{"arn:aws:iam::*:role/nightly-etl", "finance-close"},
		Notify: []notify.Channel{
			{Name: "data-platform", URL: "env:ATHENA_SLACK_URL", Kinds: []notify.Kind{"limit_stop", "limit_block", "digest"}, SQL: true,
				Quiet:    &notify.QuietHours{From: 20 * 60, To: 7 * 60, Zone: zoneNamed(t, "Europe/Berlin"), Weekends: true, Except: []notify.Kind{"limit_block"}},
				Template: notify.Templates{Subject: "testdata/told.subject", Text: "testdata/told.txt", HTML: "testdata/told.html"}},
			{Name: "audit", SNS: "arn:aws:sns:eu-west-1:111122223333:athena-limits", Limits: []string{"analysts-*"}, Teams: []string{"growth", "science"}},
			{Name: "people", Slack: &notify.Slack{Token: "file:testdata/slack.token", To: "person", API: "https://slack.com/api/"}, HowToAsk: "Ask in #data-platform for more."},
			{Name: "mail", SMTP: &notify.SMTP{Server: "mail.example.com:587", From: "athenatrail@example.com", To: []string{"person"}, Domains: []string{"example.com", "*.example.com"},
				Username: "athenatrail", Password: "ssm:/athenatrail/smtp", TLS: "starttls"}},
		},
		Anomalies: anomaly.Settings{
			Floor: 2_500_000_000, Sensitivity: anomaly.High, Lookback: 56, Holidays: []athenatrail.Date{date(t, "2026-12-25"), date(t, "2026-12-26")},
			Ignore: anomaly.Ignore{Person: []string{"backfill-*"}, Role: []string{"migration"}, Team: []string{"chaos"}, Database: []string{"scratch_*"}, Table: []string{"*.tmp_*"}},
		},
		QueryText: "full",
		Timezone:  paris,
		Jobs:      4,

		LookupEvents: LookupEvents{Events: []string{"StartQueryExecution", "StartSession"}, Lateness: 2 * time.Hour},
	}
	same := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".origins" }, cmp.Ignore())
	zone := cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() })
	prefix := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	if diff := cmp.Diff(want, c, same, zone, prefix, cmp.AllowUnexported(Config{})); diff != "" {
		t.Errorf("example (-want +got):\n%s", diff)
	}
	text, err := os.ReadFile("testdata/athenatrail.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if !strings.Contains(string(text), "\n"+key+":") {
			t.Errorf("the example lacks %s", key)
		}
	}
	for _, v := range c.Values() {
		if !strings.HasPrefix(v.Origin, "testdata/athenatrail.yaml:") && v.Key != "accounts[1].role" {
			t.Errorf("%s comes from %s", v.Key, v.Origin)
		}
		if strings.Contains(v.Value, "horse") {
			t.Errorf("%s shows a secret", v.Key)
		}
	}
}

func zoneNamed(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// A Price must stay convertible, for whoever makes the table of prices.
func TestPricesMakeATable(t *testing.T) {
	c, err := load(t, "version: 1\nprices:\n  - {region: eu-west-1, from: 2026-01-01, sql_per_tb: 5.10, currency: EUR}\n  - {region: \"*\", sql_per_tb: 6}\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	s := price.Settings{Units: c.PriceUnits, ZeroByteDML: c.ZeroByteDML}
	for _, p := range c.Prices {
		s.Prices = append(s.Prices, price.Override(p))
	}
	if _, err := price.NewTable(s); err != nil {
		t.Error(err)
	}
}

func values(c *Config) map[string]string {
	m := map[string]string{}
	for _, v := range c.Values() {
		m[v.Key] = v.Value + " < " + v.Origin
	}
	return m
}

func TestPrecedenceAndOrigins(t *testing.T) {
	c, err := load(t, `version: 1
lake: ./file-lake
profile: from-file
sources:
  - one
  - two
rates:
  batch_get_query_execution: 2.5
caps: {record_bytes: 1 MiB}
accounts:
  - id: 111122223333
    external_id: s3cret-value
    role: arn:aws:iam::111122223333:role/r
prices: [{region: eu-west-1, sql_per_tb: 5.0}]
`, []string{
		"ATHENATRAIL_PROFILE=from-env", "ATHENATRAIL_REGIONS=eu-west-1, us-east-1", "ATHENATRAIL_TIMEZONE=",
		"ATHENATRAIL_JOBS=3", `ATHENATRAIL_CAPS={file_inflated_bytes: 2 GiB}`, "OTHER=x",
	}, Flag{"profile", "--profile", []string{"from-flag"}}, Flag{"sources", "--source", []string{"a,b", "c"}})
	if err != nil {
		t.Fatal(err)
	}
	got := values(c)
	for key, want := range map[string]string{
		"lake":                            "./file-lake < athenatrail.yaml:2",
		"profile":                         "from-flag < --profile",
		"sources":                         "a,b, c < --source",
		"regions":                         "eu-west-1, us-east-1 < ATHENATRAIL_REGIONS",
		"rates.batch_get_query_execution": "2.5 < athenatrail.yaml:8",
		"caps.record_bytes":               "1 MiB < athenatrail.yaml:9",
		"caps.file_inflated_bytes":        "2 GiB < ATHENATRAIL_CAPS",
		"accounts[0].id":                  "111122223333 < athenatrail.yaml:11",
		"accounts[0].external_id":         "******** < athenatrail.yaml:12",
		"prices[0].sql_per_tb":            "5.0 < athenatrail.yaml:14",
		"timezone":                        "UTC < default",
		"jobs":                            "3 < ATHENATRAIL_JOBS",
		"lookback":                        "2d < default",
		"details":                         "api < default",
		"assume_role":                     " < default",
	} {
		if got[key] != want {
			t.Errorf("%s: %q, want %q", key, got[key], want)
		}
	}
	if len(c.Sources) != 2 {
		t.Errorf("sources %q: a flag's value is not split", c.Sources)
	}
}

func TestStrongerListReplacesTheFiles(t *testing.T) {
	c, err := load(t, "version: 1\naccounts:\n  - id: \"111122223333\"\n    name: a\n  - id: \"444455556666\"\n",
		[]string{`ATHENATRAIL_ACCOUNTS=[{id: "777788889999"}]`})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Account{{ID: "777788889999"}}, c.Accounts); diff != "" {
		t.Error(diff)
	}
	if got := c.Origin("accounts[0].name"); got != "default" {
		t.Errorf("the name of an account that is gone comes from %s", got)
	}
}

func TestNoFile(t *testing.T) {
	c, err := load(t, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.File != "" || c.Lake != "./athenatrail-lake" || c.Timezone != time.UTC {
		t.Errorf("%+v", c)
	}
	for _, env := range [][]string{nil, {"ATHENATRAIL_CONFIG=missing.yaml"}} {
		o := Options{Environ: env}
		if env == nil {
			o.File = "missing.yaml"
		}
		if _, err := Load(t.Context(), o); err == nil || err.Error() != "read configuration missing.yaml: no such file or directory" {
			t.Errorf("error %v", err)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"lake: x\n", `athenatrail.yaml:1:1: no version: want version: 1`},
		{"# nothing\n", `athenatrail.yaml: the file is empty: want version: 1`},
		{"- a\n", `athenatrail.yaml:1:1: want keys with values, beginning with version: 1`},
		{"version: 2\n", `athenatrail.yaml:1:10: version "2": this athenatrail reads version 1`},
		{"version: 1\nlokback: 2d\n", `athenatrail.yaml:2:1: unknown key "lokback": did you mean lookback?`},
		{"version: 1\nnotify: {}\n", `athenatrail.yaml:2:9: notify: want a list`},
		{"version: 1\nlookback: 1 fortnight\n", `athenatrail.yaml:2:11: lookback "1 fortnight": want a duration such as 36h, 2d or 1d12h, at most 90d`},
		{"version: 1\nlookback: -2d\n", `athenatrail.yaml:2:11: lookback "-2d": want a duration such as 36h, 2d or 1d12h, at most 90d`},
		{"version: 1\nretention: {activity: 36h}\n", `athenatrail.yaml:2:23: retention.activity "36h": want whole days such as 400d, at most 36500d`},
		{"version: 1\nlookback: [2d]\n", `athenatrail.yaml:2:11: lookback: want one value`},
		{"version: 1\ntimezone: Mars/Olympus\n", `athenatrail.yaml:2:11: timezone "Mars/Olympus": want a time zone such as UTC or Europe/Paris`},
		{"version: 1\njobs: 0\n", `athenatrail.yaml:2:7: jobs "0": want a whole number from 1 to 256`},
		{"version: 1\ndetails: maybe\n", `athenatrail.yaml:2:10: details "maybe": want api or system_table or none`},
		{"version: 1\nquery_text: hash\n", `athenatrail.yaml:2:13: query_text "hash": want full or literals_masked or fingerprint_only`},
		{"version: 1\nregions: [eu-west-1, Paris]\n", `athenatrail.yaml:2:22: regions "Paris": want a region such as eu-west-1, or all`},
		{"version: 1\nlake: gs://x\n", `athenatrail.yaml:2:7: lake "gs://x": want a folder or s3://bucket[/prefix]`},
		{"version: 1\ncaps:\n  record_bytes: 8 Mb\n", `athenatrail.yaml:3:17: caps.record_bytes "8 Mb": want a size such as 8 MB, 1 GiB or 500000, at least 1 KB`},
		{"version: 1\ncaps:\n  record: 8 MB\n", `athenatrail.yaml:3:3: caps: unknown key "record": want one of file_inflated_bytes, record_bytes`},
		{"version: 1\nrates: {batch_get_query_execution: NaN}\n", `athenatrail.yaml:2:36: rates.batch_get_query_execution "NaN": want calls a second, more than 0 and at most 1000`},
		{"version: 1\naccounts:\n  - id: 12345678901\n", `athenatrail.yaml:3:9: accounts[0].id "12345678901": want 12 digits; leading zeros belong to it, in quotes: "012345678901"`},
		{"version: 1\naccounts:\n  - id: main\n", `athenatrail.yaml:3:9: accounts[0].id "main": want 12 digits in quotes, such as "111122223333"`},
		{"version: 1\naccounts:\n  - name: x\n", `athenatrail.yaml:3:5: accounts[0]: no id: want the account's 12 digits`},
		{"version: 1\naccounts:\n  - id: \"111122223333\"\n  - id: \"111122223333\"\n", `athenatrail.yaml:4:5: accounts[1]: account 111122223333 stands here twice`},
		{"version: 1\naccounts:\n  - id: \"111122223333\"\n    role: arn:aws:iam::444455556666:role/r\n", `athenatrail.yaml:3:5: accounts[0].role "arn:aws:iam::444455556666:role/r": want a role of account 111122223333`},
		{"version: 1\naccounts:\n  - id: \"111122223333\"\n    role: reader\n", `athenatrail.yaml:4:11: accounts[0].role "reader": want a role's ARN such as arn:aws:iam::111122223333:role/athenatrail-reader`},
		{"version: 1\naccounts:\n  - id: \"111122223333\"\n    external_id: \"se cret!\"\n", `athenatrail.yaml:4:18: accounts[0].external_id: want 2 to 1224 letters, digits and any of +=,.@:/-`},
		{"version: 1\nassume_role: arn:aws:iam::111122223333:role/r\n", `athenatrail.yaml:2:14: assume_role "arn:aws:iam::111122223333:role/r": want a role's ARN with {account} for the account id, such as arn:aws:iam::{account}:role/athenatrail-reader`},
		{"version: 1\nprices:\n  - region: eu-west-1\n    sql_per_tb: 5e0\n", `athenatrail.yaml:4:17: prices[0].sql_per_tb "5e0": want a decimal such as 5 or 6.75, with at most 9 digits behind the point`},
		{"version: 1\nprices:\n  - region: eu-west-1\n", `athenatrail.yaml:3:5: prices[0]: no price: want sql_per_tb, spark_per_dpu_hour or capacity_per_dpu_hour`},
		{"version: 1\nprices:\n  - {region: eu-west-1, sql_per_tb: 5, from: 2026-02-30}\n", `athenatrail.yaml:3:46: prices[0].from "2026-02-30": want a day such as 2026-11-03`},
		{"version: 1\nlake: a\nlake: b\n", `athenatrail.yaml:3:1: not YAML: mapping key "lake" already defined at [2:1]`},
		{"version: 1\nlake: &x a\n", `athenatrail.yaml:2:7: anchors, aliases and tags are not read here: write the value itself`},
		{"version: 1\n---\nversion: 1\n", `athenatrail.yaml:3:8: a second document: want one`},
	} {
		_, err := load(t, tt.text, nil)
		var e *Error
		if err == nil || err.Error() != tt.want || !errors.As(err, &e) {
			t.Errorf("%q:\n got %v\nwant %s", tt.text, err, tt.want)
		}
	}
}

func TestEveryErrorIsReported(t *testing.T) {
	_, err := load(t, "version: 1\njobs: x\nlookback: y\n", []string{"ATHENATRAIL_TIMEZONE=nowhere"}, Flag{"lake", "--lake", []string{""}})
	want := strings.Join([]string{
		`athenatrail.yaml:2:7: jobs "x": want a whole number from 1 to 256`,
		`athenatrail.yaml:3:11: lookback "y": want a duration such as 36h, 2d or 1d12h, at most 90d`,
		`ATHENATRAIL_TIMEZONE: timezone "nowhere": want a time zone such as UTC or Europe/Paris`,
		`--lake: lake "": want a folder or s3://bucket[/prefix]`,
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestYAMLErrorsDoNotRepeatTheFile(t *testing.T) {
	_, err := load(t, "version: 1\naccounts:\n  - external_id: hush-hush\n   id: [\n", nil)
	if err == nil || strings.Contains(err.Error(), "hush") || !strings.HasPrefix(err.Error(), "athenatrail.yaml:") {
		t.Errorf("error %v", err)
	}
}

func TestMisspeltEnvironment(t *testing.T) {
	c, err := load(t, "", []string{"ATHENATRAIL_LAEK=x", "ATHENATRAIL_FORBID_SKIP=1", "ATHENATRAIL_CORPUS=/c", "ATHENATRAIL_CONFIG="})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"ATHENATRAIL_LAEK is not a setting; did you mean ATHENATRAIL_LAKE?"}, c.Warnings); diff != "" {
		t.Error(diff)
	}
}

// remote answers as S3 and as Parameter Store.
func remote(t *testing.T, text string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/settings/team/athenatrail.yaml":
			fmt.Fprint(w, text)
		case r.Header.Get("X-Amz-Target") == "AmazonSSM.GetParameter":
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			fmt.Fprintf(w, `{"Parameter":{"Name":"/athenatrail","Value":%q}}`, text)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `<Error><Code>NoSuchKey</Code><Message>no</Message></Error>`)
		}
	}))
	t.Cleanup(server.Close)
	for k, v := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true", "HOME": t.TempDir(),
	} {
		t.Setenv(k, v)
	}
}

func TestFileInS3AndParameterStore(t *testing.T) {
	remote(t, "version: 1\nlake: s3://bucket/lake\n")
	for _, name := range []string{"s3://settings/team/athenatrail.yaml", "ssm:/athenatrail"} {
		c, err := Load(t.Context(), Options{File: name, UserAgent: "athenatrail/1.2.3"})
		if err != nil {
			t.Fatal(err)
		}
		if c.Lake != "s3://bucket/lake" || c.Origin("lake") != name+":2" {
			t.Errorf("%s: lake %q from %s", name, c.Lake, c.Origin("lake"))
		}
	}
	for name, want := range map[string]string{
		"s3://settings/other": "read configuration s3://settings/other: it does not exist (NoSuchKey)",
		"s3://settings":       "read configuration s3://settings: want s3://bucket/key",
		"ssm:name":            "read configuration ssm:name: want ssm:/name",
	} {
		if _, err := Load(t.Context(), Options{File: name}); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

func TestFileThatIsTooLarge(t *testing.T) {
	remote(t, strings.Repeat("# filler\n", maxFile/9+1))
	for _, name := range []string{"s3://settings/team/athenatrail.yaml", "ssm:/athenatrail"} {
		if _, err := Load(t.Context(), Options{File: name}); err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := load(t, strings.Repeat("# filler\n", maxFile/9+1), nil); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/athenatrail.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add("version: 1\nteams: [{team: a, to: 2026-01-01}, {}]\ncomments: [{tool: x, pattern: (}, null]\ndirectory: {file: x, accounts: 1}\n")
	f.Add("version: 1\naccounts: [{id: 1}, {}, null]\nprices: {a: &b [*b]}\n? x\n: y\n")
	f.Fuzz(func(t *testing.T, text string) {
		root, err := parseYAML("f.yaml", []byte(text))
		if err != nil {
			return
		}
		c := defaults()
		c.applyFile(root)
		c.Values()
	})
}
