package athenaapi_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
)

// workGroups starts a server with work groups, and returns a client of it.
func workGroups(t *testing.T, change func(*athenaapitest.Config)) (*athenaapitest.Server, *athenaapi.Client) {
	t.Helper()
	const account = "111122223333"
	config := athenaapitest.Config{
		Lookup: func(string, string, string) (athenaapitest.Execution, bool) { return athenaapitest.Execution{}, false },
		Keys:   []athenaapitest.Key{{ID: "AKIATESTKEY01EXAMPLE", Secret: "secret", Account: account, ARN: "arn:aws:iam::" + account + ":user/reader"}},
		WorkGroups: func(string, string) []athenaapitest.WorkGroup {
			return []athenaapitest.WorkGroup{
				{Name: "primary"},
				{
					Name: "etl", Description: "call +1 555 0100", State: "DISABLED", CreatedAt: time.UnixMilli(1767225600500),
					BytesScannedCutoff: 10_000_000, NotEnforced: true, OutputLocation: "s3://results-bucket/rosa/private/", EncryptionOption: "SSE_KMS",
					KMSKey: "arn:aws:kms:eu-west-1:111122223333:key/secret-key", RequesterPays: true,
				},
				{
					Name: "spark", Engine: "PySpark engine version 3", ExecutionRole: "arn:aws:iam::111122223333:role/notebooks",
					SparkProperties:           map[string]string{"spark.password": "hunter2"},
					IdentityCenterApplication: "arn:aws:sso::111122223333:application/ssoins-1/apl-1",
				},
			}
		},
	}
	if change != nil {
		change(&config)
	}
	server, err := athenaapitest.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	cfg := aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(server.URL),
		Credentials: credentials.NewStaticCredentialsProvider("AKIATESTKEY01EXAMPLE", "secret", ""),
	}
	return server, athenaapi.New(cfg, account, athenaapi.NewPacers(0))
}

func TestWorkGroupSettings(t *testing.T) {
	_, c := workGroups(t, nil)
	for name, want := range map[string]string{
		"primary": `{"Configuration":{"EnforceWorkGroupConfiguration":false,` +
			`"EngineVersion":{"EffectiveEngineVersion":"Athena engine version 3","SelectedEngineVersion":"AUTO"},"PublishCloudWatchMetricsEnabled":false,"RequesterPaysEnabled":false},"State":"ENABLED"}`,
		"etl": `{"Configuration":{"BytesScannedCutoffPerQuery":10000000,"EnforceWorkGroupConfiguration":false,` +
			`"EngineVersion":{"EffectiveEngineVersion":"Athena engine version 3","SelectedEngineVersion":"AUTO"},"PublishCloudWatchMetricsEnabled":true,"RequesterPaysEnabled":true,` +
			`"ResultConfiguration":{"EncryptionConfiguration":{"EncryptionOption":"SSE_KMS"},"OutputLocation":"s3://results-bucket"}},"CreationTime":1767225600.500,"State":"DISABLED"}`,
		"spark": `{"Configuration":{"EnforceWorkGroupConfiguration":true,"EngineVersion":{"EffectiveEngineVersion":"PySpark engine version 3","SelectedEngineVersion":"AUTO"},` +
			`"ExecutionRole":"arn:aws:iam::111122223333:role/notebooks","IdentityCenterConfiguration":{"EnableIdentityCenter":true},` +
			`"PublishCloudWatchMetricsEnabled":true,"RequesterPaysEnabled":false},"IdentityCenterApplicationArn":"arn:aws:sso::111122223333:application/ssoins-1/apl-1","State":"ENABLED"}`,
	} {
		for range 2 { // the same answer is the same text
			if got, err := c.WorkGroupSettings(t.Context(), name); err != nil || got != want {
				t.Errorf("%s:\ngot  %s, %v\nwant %s", name, got, err, want)
			}
		}
	}
	for _, name := range []string{"gone", "../etl", "", strings.Repeat("x", 129)} {
		if _, err := c.WorkGroupSettings(t.Context(), name); !errors.Is(err, athenaapi.ErrNotFound) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// What AWS refuses is told with the permission that is missing and the policy
// that has it, what it throttles is waited out.
func TestWorkGroupIsDeniedOrThrottled(t *testing.T) {
	server, c := workGroups(t, func(config *athenaapitest.Config) {
		config.Deny = func(c athenaapitest.Call) bool { return c.WorkGroup == "etl" || c.Operation == "ListWorkGroups" }
		config.Rates = map[string]athenaapitest.Rate{"GetWorkGroup": {PerSecond: 4, Burst: 1}}
		config.Fault = func(c athenaapitest.Call) athenaapitest.Fault {
			if c.Operation == "GetWorkGroup" && c.Number == 2 {
				return athenaapitest.Fault{Status: http.StatusInternalServerError}
			}
			return athenaapitest.Fault{}
		}
	})
	denied := func(permission string, err error) {
		t.Helper()
		var hint interface {
			Hint() string
			Permission() string
			Policy() string
		}
		if !errors.Is(err, athenaapi.ErrDenied) || !errors.As(err, &hint) || hint.Permission() != permission || hint.Policy() != "directory.json" {
			t.Errorf("%s: %v", permission, err)
		}
	}
	_, err := c.WorkGroupSettings(t.Context(), "etl")
	denied("athena:GetWorkGroup", err)
	_, _, err = c.FirstWorkGroups(t.Context())
	denied("athena:ListWorkGroups", err)
	for range 3 {
		if got, err := c.WorkGroupSettings(t.Context(), "primary"); err != nil || !strings.Contains(got, "ENABLED") {
			t.Errorf("got %s, %v", got, err)
		}
	}
	if n := server.Counts("GetWorkGroup"); n.Throttled == 0 || n.Faults != 1 {
		t.Errorf("%+v: the test shows less than it says", n)
	}
}

func TestFirstWorkGroups(t *testing.T) {
	for _, n := range []int{0, 3, 50, 51} {
		_, c := workGroups(t, func(config *athenaapitest.Config) {
			config.WorkGroups = func(string, string) (list []athenaapitest.WorkGroup) {
				for i := range n {
					list = append(list, athenaapitest.WorkGroup{Name: "g" + strings.Repeat("x", i)})
				}
				return list
			}
		})
		names, more, err := c.FirstWorkGroups(t.Context())
		if err != nil || len(names) != min(n, 50) || more != (n > 50) {
			t.Errorf("%d work groups: %d names, more %v, %v", n, len(names), more, err)
		}
	}
}
