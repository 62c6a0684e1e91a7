package identity

import (
	"slices"
	"strings"
	"testing"

	"github.com/athenatrail/athenatrail"
)

// etl is a session that a tool named, of a role that many use.
func etl() athenatrail.Record { return roleCall("etl", "botocore-session-1700000000") }

func asEvent(name string) func(*Issue) { return func(i *Issue) { i.EventName = name } }

func ofRole(arn, session string) func(*Issue) {
	return func(i *Issue) { i.RoleARN, i.RoleSessionName = arn, session }
}

func TestRoleChain(t *testing.T) {
	noon := clock(0, "12:00")
	const notAnswered = "etl service role vouched"
	sso := signed(ssoCall("Rosa@Example.com"), "ASIASSO")
	lambda := signed(with(roleCall("fn", "loader"), func(r *athenatrail.Record) {
		r.Identity.InScopeOf.CredentialsIssuedTo = "arn:aws:lambda:eu-west-1:123456789012:function:loader"
	}), "ASIALAMBDA")
	mid := func(n string) athenatrail.Record {
		return signed(roleCall("hop"+n, "botocore-session-1"), "ASIAHOP"+n)
	}
	for _, c := range []struct {
		name  string
		known *facts
		want  string
		why   string // a part of what the rung says
		hops  int    // evidence
	}{
		{"one hop, Identity Center", new(facts).issue("ASIA", sso, clock(0, "11:00")), "rosa@example.com human role_chain vouched", "the credentials were issued to session Rosa@Example.com of role AWSReservedSSO_Data_Analyst_0123456789abcdef, known by sso_session:", 1},
		{"the day before", new(facts).issue("ASIA", sso, clock(-1, "23:30")), "rosa@example.com human role_chain vouched", "sso_session", 1},
		{"a session's name is believed as such", new(facts).issue("ASIA", signed(roleCall("analyst", "rosa"), "ASIAX"), noon), "rosa human role_chain session", "session_name", 1},
		{"IAM user", new(facts).issue("ASIA", userCall("rosa"), noon), "rosa human role_chain vouched", "IAM user rosa, known by iam_user", 1},
		{"source identity", new(facts).issue("ASIA", with(mid("1"), func(r *athenatrail.Record) { r.Identity.SourceIdentity = "rosa" }), noon), "rosa human role_chain vouched", "source_identity", 1},
		{"Identity Center's user", new(facts).issue("ASIA", with(mid("1"), func(r *athenatrail.Record) { r.Identity.OnBehalfOf.UserID = "user-1" }), noon), "user-1 human role_chain vouched", "identity_center", 1},
		{"three hops", new(facts).issue("ASIA", mid("1"), noon).issue("ASIAHOP1", mid("2"), clock(0, "11:30")).issue("ASIAHOP2", sso, clock(0, "11:00")),
			"rosa@example.com human role_chain vouched", "go back over 3 issues to session Rosa@Example.com", 3},
		{"a notebook takes a role", new(facts).issue("ASIA", signed(roleCall("spark", "AthenaExecutor-s1"), "ASIASPARK"), noon).start("s1", ssoCall("rosa"), clock(0, "09:00")),
			"rosa human role_chain vouched", "notebook_session", 2},
		{"an agent on the way", new(facts).issue("ASIA", with(userCall("rosa"), func(r *athenatrail.Record) { r.UserAgent = "Boto3 awslabs/mcp/x" }), noon), "rosa agent role_chain vouched", "iam_user", 1},

		{"an agent before it", new(facts).issue("ASIA", with(mid("1"), func(r *athenatrail.Record) { r.UserAgent = "Boto3 awslabs/mcp/x" }), noon).issue("ASIAHOP1", userCall("rosa"), noon), "rosa agent role_chain vouched", "iam_user", 2},

		{"SAML", new(facts).issue("ASIA", samlCall("Rosa@example.com"), noon, asEvent("AssumeRoleWithSAML")), "rosa@example.com human role_chain vouched", "known by its identity provider: the name given by identity provider qualifierhash=", 1},
		{"SAML at the second hop", new(facts).issue("ASIA", mid("1"), noon).issue("ASIAHOP1", samlCall("rosa"), noon, asEvent("AssumeRoleWithSAML")), "rosa human role_chain vouched", "over 2 issues", 2},
		{"SAML without a name", new(facts).issue("ASIA", samlCall(""), noon, asEvent("AssumeRoleWithSAML")), notAnswered, "the identity provider gives no name", 1},
		{"SAML, a tool", new(facts).issue("ASIA", samlCall("svc-redash"), noon, asEvent("AssumeRoleWithSAML")), notAnswered, "is a tool's: svc-redash", 1},
		{"a person's OpenID provider", new(facts).issue("ASIA", webCall("rosa@example.com", "idp.example.com"), noon, asEvent("AssumeRoleWithWebIdentity")), "rosa@example.com human role_chain vouched", "idp.example.com", 1},
		{"a provider's number", new(facts).issue("ASIA", webCall("110169484474386276334", "accounts.google.com"), noon, asEvent("AssumeRoleWithWebIdentity")), notAnswered, "is a number", 1},
		{"a provider's id", new(facts).issue("ASIA", webCall("auth0|5f7c8ec7", "idp.example.com"), noon, asEvent("AssumeRoleWithWebIdentity")), notAnswered, "does not map: federated_user:auth0|5f7c8ec7", 1},
		{"a pod", new(facts).issue("ASIA", webCall("system:serviceaccount:data:loader", "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/0123"), noon), notAnswered, "a program's name, vouched for by oidc.eks.", 1},
		{"a build", new(facts).issue("ASIA", webCall("repo:example/data:ref:refs/heads/main", "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"), noon), notAnswered, "a program's name", 1},
		{"a build at one's own", new(facts).issue("ASIA", webCall("project_path:example/data:ref_type:branch:ref:main", "arn:aws:iam::123456789012:oidc-provider/git.example.com"), noon), notAnswered, "a program's name, vouched for by project_path:", 1},

		{"nothing known", new(facts), notAnswered, "no record of the credentials' issue in the lake: an AWS service took the role, or the chain begins outside the trail", 0},
		{"begins outside", new(facts).issue("ASIA", mid("1"), noon), notAnswered, "the key was issued by AssumeRole at 2026-05-04T12:00:00Z, whose caller is session botocore-session-1 of role hop1: no record of the issue of that caller's credentials", 1},
		{"ends at a function", new(facts).issue("ASIA", lambda, noon), notAnswered, "whose caller is session loader of role fn: a service's chain: the session was made for arn:aws:lambda", 1},
		{"ends at a function, whatever took it", new(facts).issue("ASIA", lambda, noon).issue("ASIALAMBDA", userCall("rosa"), noon), notAnswered, "a service's chain", 1},
		{"ends in a container", new(facts).issue("ASIA", with(mid("1"), func(r *athenatrail.Record) { r.UserAgent = "Boto3/1.40 exec-env/AWS_ECS_FARGATE" }), noon), notAnswered, "called from AWS_ECS_FARGATE", 1},
		{"ends at a service", new(facts).issue("ASIA", caller(athenatrail.Identity{Type: "AWSService", InvokedBy: "ec2.amazonaws.com"}), noon), notAnswered, "AWS service ec2.amazonaws.com: a service's chain", 1},
		{"ends at a shared user", new(facts).issue("ASIA", userCall("svc-orders"), noon), notAnswered, "IAM user svc-orders: the IAM user matches shared_principals", 1},
		{"ends at a federated user", new(facts).issue("ASIA", caller(athenatrail.Identity{Type: "FederatedUser", PrincipalID: here + ":rosa", ARN: "arn:aws:sts::123456789012:federated-user/rosa"}), noon), notAnswered, "names nobody", 1},
		{"ends at root", new(facts).issue("ASIA", caller(athenatrail.Identity{Type: "Root", AccountID: here}), noon), notAnswered, "the root user of account 123456789012: that names nobody", 1},
		{"the caller's key is not told", new(facts).issue("ASIA", roleCall("hop", "botocore-session-1"), noon), notAnswered, "does not tell the caller's key", 1},
		{"a circle", new(facts).issue("ASIA", mid("1"), noon).issue("ASIAHOP1", mid("2"), noon).issue("ASIAHOP2", mid("1"), noon), notAnswered, "comes back in its own chain", 3},
		{"itself", new(facts).issue("ASIA", signed(roleCall("hop", "botocore-session-1"), "ASIA"), noon), notAnswered, "comes back in its own chain", 1},

		// What cannot be.
		{"issued later", new(facts).issue("ASIA", sso, clock(0, "12:01")), notAnswered, "they were issued at 2026-05-04T12:01:00Z, after the call", 1},
		{"a hop issued later", new(facts).issue("ASIA", mid("1"), clock(0, "11:00")).issue("ASIAHOP1", sso, clock(0, "11:30")), notAnswered, "after the call", 2},
		{"one example's key in all records: another role", new(facts).issue("ASIA", sso, noon, ofRole("arn:aws:iam::123456789012:role/other", "botocore-session-1700000000")), notAnswered, "they were issued for role arn:aws:iam::123456789012:role/other", 1},
		{"another account's role", new(facts).issue("ASIA", sso, noon, ofRole("arn:aws:iam::111122223333:role/etl", "")), notAnswered, "issued for role arn:aws:iam::111122223333:role/etl", 1},
		{"another session", new(facts).issue("ASIA", sso, noon, ofRole("arn:aws:iam::123456789012:role/etl", "x")), notAnswered, "they were issued for session x", 1},
		{"a user's session", new(facts).issue("ASIA", userCall("rosa"), noon, asEvent("GetSessionToken")), notAnswered, "GetSessionToken makes no role sessions", 1},
		{"the same role by path and case", new(facts).issue("ASIA", sso, noon, ofRole("arn:aws:iam::123456789012:role/jobs/ETL", "botocore-session-1700000000")), "rosa@example.com human role_chain vouched", "sso_session", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := callAt(etl(), "ASIA", noon)
			s := settings(t, nil)
			answers(t, c.name, r, c.known, nil, s, c.want)
			got := step(t, r, c.known, nil, s, athenatrail.SourceRoleChain)
			if !strings.Contains(got.Why, c.why) {
				t.Errorf("why: %s\nwant a part: %s", got.Why, c.why)
			}
			if len(got.Evidence) != c.hops {
				t.Errorf("evidence: %+v", got.Evidence)
			}
		})
	}
}

// Ten records are followed, and no more.
func TestRoleChainIsBounded(t *testing.T) {
	noon := clock(0, "12:00")
	for hops, want := range map[int]string{10: "rosa human role_chain vouched", 11: "etl service role vouched"} {
		known, key := new(facts), "ASIA"
		for i := range hops - 1 {
			next := "ASIA" + strings.Repeat("x", i+1)
			known.issue(key, signed(roleCall("hop", "botocore-session-1"), next), noon)
			key = next
		}
		known.issue(key, userCall("rosa"), noon)
		why, _ := answers(t, "hops", callAt(etl(), "ASIA", noon), known, nil, settings(t, nil), want)
		if got := step(t, callAt(etl(), "ASIA", noon), known, nil, settings(t, nil), "role_chain"); hops == 11 && !strings.Contains(got.Why, "more than 10 records") {
			t.Error(why, got.Why)
		}
	}
}

// A role in another account is recorded twice, and the copy there tells no
// more than where the caller is from.
func TestRoleChainAcrossAccounts(t *testing.T) {
	noon := clock(0, "12:00")
	whole := signed(ssoCall("rosa@example.com"), "ASIASSO")
	copied := caller(athenatrail.Identity{Type: "AWSAccount", PrincipalID: "AROAEXAMPLEROLE00001:rosa@example.com", AccountID: there})
	copied.Identity.ARN = strings.Repeat("longer than the other ", 20)
	both := new(facts).issue("ASIA", copied, noon).issue("ASIA", whole, noon)
	for range 2 {
		_, evidence := answers(t, "both", callAt(etl(), "ASIA", noon), both, nil, settings(t, nil), "rosa@example.com human role_chain vouched")
		if len(evidence) != 1 || evidence[0].AccountID != here || evidence[0].EventName != "AssumeRole" || !evidence[0].Time.Equal(noon) || evidence[0].EventID != "issue-ASIA" ||
			evidence[0].Says != "session rosa@example.com of role AWSReservedSSO_Data_Analyst_0123456789abcdef took role unknown as session unknown" {
			t.Errorf("%+v", evidence)
		}
		slices.Reverse(both.issues[athenatrail.HashAccessKey("ASIA")])
	}
	alone := new(facts).issue("ASIA", copied, noon)
	answers(t, "copy", callAt(etl(), "ASIA", noon), alone, nil, settings(t, nil), "etl service role vouched")
	if got := step(t, callAt(etl(), "ASIA", noon), alone, nil, settings(t, nil), "role_chain"); !strings.Contains(got.Why, "of account 111122223333: this copy of the record names no more") {
		t.Error(got.Why)
	}
}

// Records that contradict each other give one answer, whatever their order.
func TestRoleChainContradicted(t *testing.T) {
	noon := clock(0, "12:00")
	known := new(facts).issue("ASIA", userCall("rosa"), noon).issue("ASIA", userCall("ines"), noon).issue("ASIA", userCall("ines"), clock(0, "11:00"))
	issues := known.issues[athenatrail.HashAccessKey("ASIA")]
	for _, order := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		in := &facts{issues: map[string][]*Issue{athenatrail.HashAccessKey("ASIA"): {issues[order[0]], issues[order[1]], issues[order[2]]}}}
		if _, evidence := answers(t, "contradicted", callAt(etl(), "ASIA", noon), in, nil, settings(t, nil), "rosa human role_chain vouched"); len(evidence) != 1 {
			t.Errorf("%+v", evidence)
		}
	}
}

// Which calls a chain speaks for.
func TestRoleChainOfWhom(t *testing.T) {
	noon := clock(0, "12:00")
	known := new(facts).issue("ASIA", userCall("rosa"), noon)
	s := settings(t, nil)
	f := func(name string, r athenatrail.Record, want string) {
		t.Helper()
		answers(t, name, callAt(r, "ASIA", noon), known, nil, s, want)
	}
	f("a tool's session", roleCall("etl", "redash"), "rosa human role_chain vouched")
	f("a placeholder", roleCall("etl", "MySessionName"), "rosa human role_chain vouched")
	f("called as its role", roleCall("etl", "etl"), "rosa human role_chain vouched")
	f("a person's session is its name's", roleCall("etl", "ines"), "ines human session_name session")
	f("an agent", with(etl(), func(r *athenatrail.Record) { r.EventType = "AwsMcpEvent" }), "rosa agent role_chain vouched")
	f("CloudShell", with(etl(), func(r *athenatrail.Record) { r.UserAgent = "aws-cli/2 exec-env/CloudShell" }), "rosa human role_chain vouched")
	f("a function", with(etl(), func(r *athenatrail.Record) { r.Identity.InScopeOf.IssuerType = "AWS::Lambda::Function" }), "etl service role vouched")
	f("a container", with(etl(), func(r *athenatrail.Record) { r.UserAgent = "Boto3 exec-env/AWS_ECS_FARGATE" }), "etl service role vouched")
	f("by a service", with(etl(), func(r *athenatrail.Record) { r.Identity.InvokedBy = "states.amazonaws.com" }), "etl service role vouched")
	f("through Athena", with(etl(), func(r *athenatrail.Record) { r.Identity.InvokedBy = "athena.amazonaws.com" }), "rosa human role_chain vouched")
	f("a shared user's session", userCall("svc-orders"), "svc-orders service service vouched")
	f("a federated user is not its broker", caller(athenatrail.Identity{Type: "FederatedUser", ARN: "arn:aws:sts::123456789012:federated-user/ines"}), "ines human federated_user vouched")

	r := callAt(etl(), "", noon)
	answers(t, "no key", r, known, nil, s, "etl service role vouched")
}
