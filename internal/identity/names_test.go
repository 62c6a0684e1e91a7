package identity

import (
	"slices"
	"strings"
	"testing"
)

// Session names of every kind, and who made them. An empty maker means that
// the name is taken for a person's.
func TestMadeName(t *testing.T) {
	for name, want := range map[string]string{
		// people
		"rosa":                     "",
		"rosa.diaz":                "",
		"Rosa-Diaz":                "",
		"rosa@example.com":         "",
		"rosa+athena@example.com":  "",
		"rosa@metabase.com":        "",
		"rosa.github@example.com":  "",
		"tom.jenkins":              "",
		"tom.jenkins@example.com":  "",
		"ana_looker":               "",
		"a1234567":                 "", // an employee's number with a letter
		"ada":                      "",
		"facade":                   "",
		"deadbeefcafe":             "", // no digit
		"Administrator":            "",
		"alias":                    "",
		"i-am-rosa":                "",
		"eks-rosa":                 "",
		"josé":                     "",
		"李雷":                       "",
		"botocore-session-of-rosa": "",

		// aws-facts 9.1
		"botocore-session-1700000000":                         "botocore's default",
		"i-0123456789abcdef0":                                 "an EC2 instance's id",
		"i-01234567":                                          "an EC2 instance's id",
		"mi-0123456789abcdef0":                                "a managed instance's id",
		"0123456789abcdef0123456789abcdef":                    "an id",
		"6f3c9f0e-0000-4000-8000-000000000001":                "an id",
		"GlueJobRunnerSession":                                "an AWS Glue job's",
		"SageMaker":                                           "Amazon SageMaker's",
		"AthenaExecutor-9cc1ebb2-aac5-b1ca-8247-000000000001": "an Athena Spark session's",
		"AWSLF-00-AT-123456789012-abc":                        "AWS Lake Formation's",
		"QuickSight-RoleSession-1700000000000":                "Amazon QuickSight's",
		"gntd-Example":                                        "granted's",
		"1700000000000000000":                                 "a number",
		"42":                                                  "a number",
		"eks-data-loader-6f3c9f0e-0000-4000-8000-000000000001": "an EKS pod's",
		"AWSCodeBuild-6f3c9f0e-0000-4000-8000-000000000001":    "AWS CodeBuild's",
		"AWSCloudFormation": "AWS CloudFormation's",
		"aws-cdk-rosa":      "the AWS CDK's",

		// other SDKs and helpers
		"aws-go-sdk-1700000000000000000":            "the Go SDK's default",
		"aws-sdk-java-1700000000000":                "the Java SDK's default",
		"aws-sdk-js-1700000000000":                  "the JavaScript SDK's default",
		"aws-sdk-js-session-1700000000000":          "the JavaScript SDK's default",
		"aws-sdk-php-1700000000000":                 "the PHP SDK's default",
		"aws-dotnet-sdk-session-638000000000000000": "the .NET SDK's default",
		"assume-role-from-profile-1700000000":       "the Rust SDK's default",
		"default_session":                           "the Ruby SDK's default",
		"AWS-CLI-session-1700000000":                "an AWS CLI's default",
		"GitHubActions":                             "GitHub Actions'",
		"GitLabRunner-12-34":                        "GitLab CI's",
		"terraform-run-AbCdEf":                      "HCP Terraform's",
		"vault-token-etl-1700000000-AbCd":           "HashiCorp Vault's",

		// tools by their names
		"redash":                  "a tool's",
		"Metabase":                "a tool's",
		"metabase-prod":           "a tool's",
		"airflow_default":         "a tool's",
		"prod-airflow-worker-3":   "a tool's",
		"dbt":                     "a tool's",
		"dbt-cloud-run-123":       "a tool's",
		"looker":                  "a tool's",
		"looker-prod":             "a tool's",
		"jenkins-build-17":        "a tool's",
		"grafana-athena":          "a tool's",
		"apache-superset":         "a tool's",
		"Tableau":                 "a tool's",
		"power-bi-gateway":        "Power BI's",
		"terraform":               "a tool's",
		"nightly-etl":             "a tool's",
		"svc_orders":              "a tool's",
		"trino":                   "a tool's",
		"redash@example.com":      "a tool's",
		"svc-airflow@example.com": "a tool's",

		// names that nobody chose
		"Session":                "a placeholder",
		"MySessionName":          "a placeholder",
		"AssumedRoleSessionName": "a placeholder",
		"default":                "a placeholder",
	} {
		if got := madeName(name); got.maker != want {
			t.Errorf("%q: %q, want %q", name, got.maker, want)
		}
	}
}

// Every row of the table, by a name that it is for: a session so called names
// nobody, until something else tells who took it.
func TestSessionNameKinds(t *testing.T) {
	rests := map[class]string{
		end: "", digits: "1700000000", hexDigits: "0123456789abcdef0", uuid: "6f3c9f0e-0000-4000-8000-000000000001",
		uuidTail: "data-6f3c9f0e-0000-4000-8000-000000000001", anything: "x",
	}
	names := map[string]string{} // name -> maker
	for _, m := range madeNames {
		names[m.prefix+rests[m.rest]] = m.maker
	}
	for _, w := range toolWords {
		names[w] = "a tool's"
	}
	for _, w := range emptyNames {
		names[w] = "a placeholder"
	}
	s := settings(t, nil)
	for name, maker := range names {
		if got := madeName(name); got.maker == "" || got.maker != maker && maker != "a tool's" {
			t.Errorf("%q: %q, want %q", name, got.maker, maker)
		}
		kind := "service"
		if madeName(name).says == nothing {
			kind = "unknown"
		}
		r := callAt(roleCall("analysts", name), "ASIA", clock(0, "12:00"))
		answers(t, name, r, nil, nil, s, "analysts "+kind+" role vouched")
		answers(t, name, r, new(facts).issue("ASIA", ssoCall("rosa"), clock(0, "11:00")), nil, s, "rosa human role_chain vouched")
	}
}

// A row that an earlier row hides, or a word on two lists, would never count.
func TestNameTablesAreReachable(t *testing.T) {
	seen := map[string]bool{}
	for _, w := range slices.Concat(toolWords, serviceWords, surnameWords, placeWords) {
		if seen[w] || w != lower(w) || slices.Collect(words(w))[0] != w {
			t.Errorf("word %q is twice there, not in lower case, or no single word", w)
		}
		seen[w] = true
	}
	for i, m := range madeNames {
		for _, before := range madeNames[:i] {
			rest, ok := cutPrefixFold(m.prefix, before.prefix)
			if ok && before.prefix != "" && before.rest == anything && len(rest) >= before.least {
				t.Errorf("%s %q is hidden by %q", m.maker, m.prefix, before.prefix)
			}
		}
		if strings.TrimSpace(m.maker) == "" {
			t.Errorf("%q has no maker", m.prefix)
		}
	}
}

func TestEverySaysIsKept(t *testing.T) {
	if got := madeName("session").says; got != nothing {
		t.Errorf("a placeholder says %d", got)
	}
	if got := madeName("redash").says; got != machine {
		t.Errorf("a tool says %d", got)
	}
}
