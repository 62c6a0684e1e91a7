package identity

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/annotation"
)

func settings(t testing.TB, shared []string) *Settings {
	t.Helper()
	s, err := NewSettings(SettingsOptions{SharedPrincipals: shared})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// roleCall is a call by a session of a role.
func roleCall(role, session string) athenatrail.Record {
	const account = "123456789012"
	return athenatrail.Record{EventName: "StartQueryExecution", Identity: athenatrail.Identity{
		Type: "AssumedRole", PrincipalID: "AROAEXAMPLEROLE00001:" + session, AccountID: account,
		ARN:    "arn:aws:sts::" + account + ":assumed-role/" + role + "/" + session,
		Issuer: athenatrail.Issuer{Type: "Role", PrincipalID: "AROAEXAMPLEROLE00001", ARN: "arn:aws:iam::" + account + ":role/" + role, AccountID: account, UserName: role},
	}}
}

func ssoCall(session string) athenatrail.Record {
	r := roleCall("AWSReservedSSO_Data_Analyst_0123456789abcdef", session)
	r.Identity.Issuer.ARN = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Data_Analyst_0123456789abcdef"
	return r
}

func userCall(name string) athenatrail.Record {
	return athenatrail.Record{Identity: athenatrail.Identity{
		Type: "IAMUser", PrincipalID: "AIDAEXAMPLEUSER00001", AccountID: "123456789012",
		ARN: "arn:aws:iam::123456789012:user/analysts/" + name, UserName: name,
	}}
}

func with(r athenatrail.Record, change func(*athenatrail.Record)) athenatrail.Record {
	change(&r)
	return r
}

func caller(id athenatrail.Identity) athenatrail.Record { return athenatrail.Record{Identity: id} }

// Every identity type of the CloudTrail User Guide, and what else the ladder
// looks at: "person kind source trust".
func TestResolve(t *testing.T) {
	const user = "d2f0c4a4-0000-0000-0000-000000000001"
	onBehalf := athenatrail.OnBehalfOf{UserID: user, IdentityStoreARN: "arn:aws:identitystore::123456789012:identitystore/d-0000000001"}
	for _, c := range []struct {
		name string
		r    athenatrail.Record
		want string
	}{
		// The types, one by one.
		{"Root", caller(athenatrail.Identity{Type: "Root", PrincipalID: "123456789012", ARN: "arn:aws:iam::123456789012:root", AccountID: "123456789012"}), "root human root_user vouched"},
		{"IAMUser", userCall("rosa"), "rosa human iam_user vouched"},
		{"IAMUser by ARN alone", with(userCall("rosa"), func(r *athenatrail.Record) { r.Identity.UserName = "" }), "rosa human iam_user vouched"},
		{"IAMUser unnamed", caller(athenatrail.Identity{Type: "IAMUser", PrincipalID: "AIDAEXAMPLEUSER00001"}), "AIDAEXAMPLEUSER00001 unknown none "},
		{"AssumedRole", roleCall("analyst", "rosa"), "rosa human session_name session"},
		{"AssumedRole without its issuer", with(roleCall("analyst", "rosa"), func(r *athenatrail.Record) { r.Identity.Issuer = athenatrail.Issuer{} }), "rosa human session_name session"},
		{"AssumedRole by principalId alone", caller(athenatrail.Identity{Type: "AssumedRole", PrincipalID: "AROAEXAMPLEROLE00001:rosa"}), "rosa human session_name session"},
		{"AssumedRole, an instance, by principalId alone", caller(athenatrail.Identity{Type: "AssumedRole", PrincipalID: "AROAEXAMPLEROLE00001:i-0123456789abcdef0"}), "AROAEXAMPLEROLE00001:i-0123456789abcdef0 service none "},
		{"Role", caller(athenatrail.Identity{Type: "Role", PrincipalID: "AROAEXAMPLEROLE00002", ARN: "arn:aws:iam::123456789012:role/jobs/etl", UserName: "etl"}), "etl unknown role vouched"},
		{"Role by name alone", caller(athenatrail.Identity{Type: "Role", UserName: "etl"}), "etl unknown role vouched"},
		{"FederatedUser", caller(athenatrail.Identity{Type: "FederatedUser", PrincipalID: "123456789012:rosa", ARN: "arn:aws:sts::123456789012:federated-user/rosa", Issuer: athenatrail.Issuer{Type: "IAMUser", UserName: "broker"}}), "rosa human federated_user vouched"},
		{"FederatedUser without ARN", caller(athenatrail.Identity{Type: "FederatedUser", PrincipalID: "123456789012:rosa"}), "rosa human federated_user vouched"},
		{"Directory", caller(athenatrail.Identity{Type: "Directory", PrincipalID: "123456789012", AccountID: "123456789012", UserName: "Rosa@Example.com"}), "rosa@example.com human federated_user vouched"},
		{"AWSAccount", caller(athenatrail.Identity{Type: "AWSAccount", PrincipalID: "AIDAEXAMPLEOTHER0001:rosa", AccountID: "210987654321"}), "rosa unknown none "},
		{"AWSAccount unnamed", caller(athenatrail.Identity{Type: "AWSAccount", PrincipalID: "AIDAEXAMPLEOTHER0001", AccountID: "210987654321"}), "210987654321 unknown none "},
		{"AWSAccount, a machine", caller(athenatrail.Identity{Type: "AWSAccount", PrincipalID: "AROAEXAMPLEOTHER0001:botocore-session-1700000000", AccountID: "210987654321"}), "botocore-session-1700000000 service none "},
		{"AWSService", caller(athenatrail.Identity{Type: "AWSService", InvokedBy: "quicksight.amazonaws.com"}), "quicksight.amazonaws.com service service vouched"},
		{"AWSService by its address", athenatrail.Record{SourceIP: "glue.amazonaws.com", Identity: athenatrail.Identity{Type: "AWSService"}}, "glue.amazonaws.com service service vouched"},
		{"AWSService unnamed", athenatrail.Record{SourceIP: "203.0.113.7", Identity: athenatrail.Identity{Type: "AWSService", AccountID: "123456789012"}}, "123456789012 unknown none "},
		{"IdentityCenterUser", caller(athenatrail.Identity{Type: "IdentityCenterUser", AccountID: "123456789012", OnBehalfOf: onBehalf, CredentialID: "example"}), user + " human identity_center vouched"},
		{"IdentityCenterUser unnamed", caller(athenatrail.Identity{Type: "IdentityCenterUser", AccountID: "123456789012"}), "123456789012 unknown none "},
		{"SAMLUser", caller(athenatrail.Identity{Type: "SAMLUser", PrincipalID: "qualifierhash=:Rosa@example.com", UserName: "Rosa@example.com", IdentityProvider: "qualifierhash="}), "rosa@example.com human federated_user vouched"},
		{"WebIdentityUser", caller(athenatrail.Identity{Type: "WebIdentityUser", PrincipalID: "idp.example.com:app-1:user-7", UserName: "user-7", IdentityProvider: "idp.example.com"}), "user-7 human federated_user vouched"},
		{"WebIdentityUser, a pod", caller(athenatrail.Identity{Type: "WebIdentityUser", UserName: "system:serviceaccount:data:loader", IdentityProvider: "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/0123"}), "system:serviceaccount:data:loader service federated_user vouched"},
		{"WebIdentityUser, a build", caller(athenatrail.Identity{Type: "WebIdentityUser", UserName: "repo:example/data:ref:refs/heads/main", IdentityProvider: "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"}), "repo:example/data:ref:refs/heads/main service federated_user vouched"},
		{"WebIdentityUser unnamed", caller(athenatrail.Identity{Type: "WebIdentityUser", PrincipalID: "idp.example.com:app-1:user-7"}), "idp.example.com:app-1:user-7 unknown none "},
		{"Unknown, as QuickSight's own users", caller(athenatrail.Identity{Type: "Unknown", PrincipalID: "123456789012", AccountID: "123456789012", UserName: "rosa@example.com"}), "rosa@example.com human federated_user vouched"},
		{"Unknown with a user's ARN", with(userCall("rosa"), func(r *athenatrail.Record) { r.Identity.Type = "Unknown" }), "rosa human iam_user vouched"},
		{"Unknown with a session's ARN", with(roleCall("analyst", "rosa"), func(r *athenatrail.Record) { r.Identity.Type = "Unknown" }), "rosa human session_name session"},
		{"a type of tomorrow", caller(athenatrail.Identity{Type: "Robot", PrincipalID: "R2", AccountID: "123456789012"}), "R2 unknown none "},
		{"no type, only an account", caller(athenatrail.Identity{AccountID: "123456789012"}), "123456789012 unknown none "},
		{"no type, a service", caller(athenatrail.Identity{AccountID: "123456789012", InvokedBy: "AWS Internal"}), "AWS Internal service service vouched"},
		{"nothing at all", athenatrail.Record{}, "unknown unknown none "},

		// Higher rungs go first.
		{"identity center over all", with(ssoCall("rosa@example.com"), func(r *athenatrail.Record) {
			r.Identity.OnBehalfOf = onBehalf
			r.Identity.SourceIdentity = "rosa"
		}), user + " human identity_center vouched"},
		{"identity center, an address", with(ssoCall("rosa"), func(r *athenatrail.Record) { r.Identity.OnBehalfOf.UserID = "Rosa@Example.com" }), "rosa@example.com human identity_center vouched"},
		{"source identity over sso", with(ssoCall("rosa@example.com"), func(r *athenatrail.Record) { r.Identity.SourceIdentity = "Rosa.Diaz" }), "Rosa.Diaz human source_identity vouched"},
		{"source identity of a machine's session", with(roleCall("etl", "botocore-session-1"), func(r *athenatrail.Record) { r.Identity.SourceIdentity = "Rosa@Example.com" }), "rosa@example.com human source_identity vouched"},
		{"sso", ssoCall("Rosa@Example.com"), "rosa@example.com human sso_session vouched"},
		{"sso, a plain name keeps its case", ssoCall("RosaD"), "RosaD human sso_session vouched"},
		{"sso, a number is the directory's", ssoCall("4711"), "4711 human sso_session vouched"},
		{"sso without a path", with(ssoCall("rosa"), func(r *athenatrail.Record) { r.Identity.Issuer.ARN = "" }), "rosa human sso_session vouched"},
		{"a role that only poses as sso's", roleCall("AWSReservedSSO_Admin_0123456789abcdef", "rosa"), "rosa human session_name session"},
		{"a session called as its role", roleCall("loader", "loader"), "loader unknown role vouched"},

		// Machines.
		{"in scope of a function", with(roleCall("etl", "nightly-load"), func(r *athenatrail.Record) {
			r.Identity.InScopeOf = athenatrail.InScopeOf{IssuerType: "AWS::Lambda::Function", CredentialsIssuedTo: "arn:aws:lambda:eu-west-1:123456789012:function:nightly-load"}
		}), "etl service role vouched"},
		{"in a function", with(roleCall("etl", "loader-prod-fn"), func(r *athenatrail.Record) {
			r.UserAgent = "aws-sdk-go/1.38.37 (go1.16; linux; amd64) exec-env/AWS_Lambda_go1.x"
		}), "etl service role vouched"},
		{"in a container", with(roleCall("etl", "rosa@example.com"), func(r *athenatrail.Record) { r.UserAgent = "Boto3/1.34 exec-env/AWS_ECS_FARGATE" }), "etl service role vouched"},
		{"in CloudShell", with(roleCall("analyst", "rosa"), func(r *athenatrail.Record) {
			r.UserAgent = "aws-cli/2.15.0 exec-env/CloudShell md/command#athena.start-query-execution"
		}), "rosa human session_name session"},
		{"a user in a function", with(userCall("rosa"), func(r *athenatrail.Record) { r.UserAgent = "aws-sdk-nodejs/2 exec-env/AWS_Lambda_nodejs8.10" }), "rosa human iam_user vouched"},
		{"by a service", with(roleCall("etl", "LoadOrders"), func(r *athenatrail.Record) { r.Identity.InvokedBy = "states.amazonaws.com" }), "etl service role vouched"},

		// Forwarded calls stay their caller's.
		{"through the old console", with(roleCall("analyst", "rosa"), func(r *athenatrail.Record) { r.Identity.InvokedBy = "signin.amazonaws.com" }), "rosa human session_name session"},
		{"through Athena", with(roleCall("analyst", "rosa"), func(r *athenatrail.Record) { r.Identity.InvokedBy = "athena.amazonaws.com" }), "rosa human session_name session"},
		{"an address through a service", with(roleCall("analyst", "rosa@example.com"), func(r *athenatrail.Record) { r.Identity.InvokedBy = "cloudformation.amazonaws.com" }), "rosa@example.com human session_name session"},
		{"sso through a service", with(ssoCall("rosa"), func(r *athenatrail.Record) { r.Identity.InvokedBy = "quicksight.amazonaws.com" }), "rosa human sso_session vouched"},
		{"source identity through a service", with(roleCall("analyst", "x"), func(r *athenatrail.Record) {
			r.Identity.InvokedBy, r.Identity.SourceIdentity = "glue.amazonaws.com", "rosa"
		}), "rosa human source_identity vouched"},
		{"identity center through a service", with(roleCall("analyst", "x"), func(r *athenatrail.Record) {
			r.Identity.InvokedBy, r.Identity.OnBehalfOf = "glue.amazonaws.com", onBehalf
		}), user + " human identity_center vouched"},
		{"user through a service", with(userCall("rosa"), func(r *athenatrail.Record) { r.Identity.InvokedBy = "secretsmanager.amazonaws.com" }), "rosa human iam_user vouched"},

		// Somebody at the console behind a name that a tool made.
		{"tool-made, from the console", with(roleCall("analyst", "botocore-session-1"), func(r *athenatrail.Record) { r.FromConsole = true }), "analyst unknown role vouched"},

		// Agents: who they act for stays the person.
		{"agent event", with(ssoCall("rosa@example.com"), func(r *athenatrail.Record) { r.EventType = "AwsMcpEvent" }), "rosa@example.com agent sso_session vouched"},
		{"agent by invokedBy", with(roleCall("analyst", "rosa"), func(r *athenatrail.Record) { r.Identity.InvokedBy = "aws-mcp.amazonaws.com" }), "rosa agent session_name session"},
		{"agent by address", with(userCall("rosa"), func(r *athenatrail.Record) { r.SourceIP = "aws-mcp.amazonaws.com" }), "rosa agent iam_user vouched"},
		{"agent by agent", with(userCall("rosa"), func(r *athenatrail.Record) { r.UserAgent = "aws-mcp.amazonaws.com" }), "rosa agent iam_user vouched"},
		{"agent's own client", with(roleCall("bot", "botocore-session-1"), func(r *athenatrail.Record) {
			r.UserAgent = "Boto3/1.38 md/Botocore#1.38 awslabs/mcp/aws-dataprocessing-mcp-server/0.1"
		}), "bot agent role vouched"},
		{"a browser that names an agent's service", with(userCall("rosa"), func(r *athenatrail.Record) { r.UserAgent = "Mozilla/5.0 (about aws-mcp.amazonaws.com)" }), "rosa human iam_user vouched"},

		// Shared IAM users.
		{"redash", userCall("redash-prod"), "redash-prod service service vouched"},
		{"svc", userCall("svc-orders"), "svc-orders service service vouched"},
		{"BI", userCall("tableau_BI"), "tableau_BI service service vouched"},
		{"an address at a tool's company", userCall("rosa@metabase.com"), "rosa@metabase.com human iam_user vouched"},
		{"a tool's address", userCall("Metabase@example.com"), "metabase@example.com service service vouched"},
		{"a surname", userCall("tom.jenkins"), "tom.jenkins human iam_user vouched"},
		{"letters of a tool", userCall("preston"), "preston human iam_user vouched"},
		{"letters of a word", userCall("abbott"), "abbott human iam_user vouched"},
	} {
		who, _ := Resolve(&c.r, nil, nil, settings(t, nil))
		got := strings.Join([]string{who.Person, who.PersonKind, who.PersonSource, who.PersonTrust}, " ")
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if who.Team != athenatrail.TeamUnassigned {
			t.Errorf("%s: team %q", c.name, who.Team)
		}
	}
}

func TestResolveColumns(t *testing.T) {
	mfa := true
	r := ssoCall("rosa@example.com")
	r.Identity.AccessKeyID, r.Identity.InvokedBy = "ASIATEMPKEY01EXAMPLE", "athena.amazonaws.com"
	r.Identity.SourceIdentity, r.Identity.MFA = "rosa", &mfa
	r.Identity.OnBehalfOf.UserID = "user-1"
	got, gotMFA := Resolve(&r, nil, nil, settings(t, nil))
	want := athenatrail.Who{
		Person: "user-1", PersonSource: "identity_center", PersonTrust: "vouched", PersonKind: "human", Team: "unassigned",
		PrincipalType:        "AssumedRole",
		PrincipalARN:         "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Data_Analyst_0123456789abcdef/rosa@example.com",
		PrincipalID:          "AROAEXAMPLEROLE00001:rosa@example.com",
		RoleName:             "AWSReservedSSO_Data_Analyst_0123456789abcdef",
		RoleSessionName:      "rosa@example.com",
		SourceIdentity:       "rosa",
		IdentityCenterUserID: "user-1",
		InvokedBy:            "athena.amazonaws.com",
		AccessKeyHash:        athenatrail.HashAccessKey("ASIATEMPKEY01EXAMPLE"),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if gotMFA == nil || !*gotMFA {
		t.Error("mfa is lost")
	}
}

func TestPermissionSet(t *testing.T) {
	f := func(role, want string, wantOK bool) {
		t.Helper()
		if got, ok := PermissionSet(role); got != want || ok != wantOK {
			t.Errorf("%s: %q, %t", role, got, ok)
		}
	}
	f("AWSReservedSSO_Analyst_0123456789abcdef", "Analyst", true)
	f("AWSReservedSSO_Data_Analyst_0123456789abcdef", "Data_Analyst", true)
	f("AWSReservedSSO_Odd", "Odd", true)
	f("AWSReservedSSO_Data_Analyst", "Data_Analyst", true)
	f("Analyst", "", false)
	f("MyAWSReservedSSO_Analyst_0123456789abcdef", "", false)
}

func TestExplain(t *testing.T) {
	f := func(r athenatrail.Record, want ...string) {
		t.Helper()
		var got []string
		for _, s := range Explain(&r, nil, nil, settings(t, nil)) {
			mark := "no "
			if s.Answered {
				mark = "yes"
			}
			got = append(got, mark+" "+s.Rung+": "+s.Why)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	f(roleCall("analyst", "rosa"),
		"no  identity_center: the record has no onBehalfOf.userId",
		"no  source_identity: the session has no sourceIdentity",
		"no  notebook_session: not the session of a notebook",
		"no  sso_session: not a role of Identity Center: analyst",
		"yes session_name: the role session's name, in role analyst",
	)
	f(roleCall("etl", "botocore-session-1"),
		"no  identity_center: the record has no onBehalfOf.userId",
		"no  source_identity: the session has no sourceIdentity",
		"no  notebook_session: not the session of a notebook",
		"no  sso_session: not a role of Identity Center: etl",
		"no  session_name: the session's name is botocore's default: botocore-session-1",
		"no  iam_user: not an IAM user",
		"no  role_chain: the record has no access key, by which the issue of its credentials could be found",
		"no  query_comment: the SQL has no comment of a tool, or is not known",
		"no  federated_user: not a federated user",
		"no  root_user: not the account's root user",
		"yes role: the role's name: nothing tells who used it",
	)
	f(userCall("redash"),
		"no  identity_center: the record has no onBehalfOf.userId",
		"no  source_identity: the session has no sourceIdentity",
		"no  notebook_session: not the session of a notebook",
		"no  sso_session: not a role session",
		"no  session_name: not a role session",
		"no  iam_user: the IAM user matches shared_principals *redash*",
		"no  role_chain: not a role session",
		"no  query_comment: the SQL has no comment of a tool, or is not known",
		"no  federated_user: not a federated user",
		"no  root_user: not the account's root user",
		"no  role: not a role",
		"yes service: an IAM user that is shared",
	)
	steps := Explain(&athenatrail.Record{}, nil, nil, settings(t, nil))
	if last := steps[len(steps)-1]; last.Rung != athenatrail.SourceNone || last.Answered {
		t.Errorf("nothing answers: %+v", last)
	}
}

func TestSharedPrincipals(t *testing.T) {
	f := func(patterns []string, user, want string) {
		t.Helper()
		if got := settings(t, patterns).sharedBy(user); got != want {
			t.Errorf("%q against %q: %q, want %q", user, patterns, got, want)
		}
	}
	f([]string{}, "redash", "")
	f([]string{"Shared-?"}, "shared-1", "shared-?")
	f([]string{"shared-?"}, "shared-12", "")
	f([]string{"*@bots.example.com"}, "Loader@Bots.example.com", "*@bots.example.com")
	f([]string{"loader"}, "loader@example.com", "loader")
	f([]string{"a*b*c"}, "aXXbYYc", "a*b*c")
	f([]string{"a*b*c"}, "aXXbYY", "")
	f([]string{"*"}, "anyone", "*")

	for _, bad := range []string{"", "user/x", "arn:aws:iam::1:user/x", "a b"} {
		if _, err := NewSettings(SettingsOptions{SharedPrincipals: []string{"ok", bad}}); err == nil || !strings.HasPrefix(err.Error(), "shared_principals[1] ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestHash(t *testing.T) {
	a, b, c := settings(t, nil).Hash(), settings(t, []string{"x"}).Hash(), settings(t, DefaultSharedPrincipals()).Hash()
	if a != c || a == b || len(a) != 16 {
		t.Error(a, b, c)
	}
}

// Every rung, where no higher one answers: one table of what each names.
func TestEveryRung(t *testing.T) {
	noon := clock(0, "12:00")
	known := new(facts).issue("ASIACHAIN", userCall("rosa"), clock(0, "11:00")).start("s1", ssoCall("rosa"), clock(0, "09:00"))
	note := &annotation.Note{Tool: "redash", User: "rosa"}
	tested := map[string]bool{}
	for rung, c := range map[string]struct {
		r    athenatrail.Record
		note *annotation.Note
		want string
	}{
		"identity_center":  {with(ssoCall("x"), func(r *athenatrail.Record) { r.Identity.OnBehalfOf.UserID = "rosa" }), note, "rosa human vouched"},
		"source_identity":  {with(etl(), func(r *athenatrail.Record) { r.Identity.SourceIdentity = "rosa" }), note, "rosa human vouched"},
		"notebook_session": {roleCall("spark", "AthenaExecutor-s1"), note, "rosa human vouched"},
		"sso_session":      {ssoCall("rosa"), note, "rosa human vouched"},
		"session_name":     {roleCall("analyst", "rosa"), note, "rosa human session"},
		"iam_user":         {userCall("rosa"), note, "rosa human vouched"},
		"role_chain":       {signed(etl(), "ASIACHAIN"), note, "rosa human vouched"},
		"query_comment":    {etl(), note, "rosa human asserted"},
		"federated_user":   {samlCall("rosa"), note, "rosa human vouched"},
		"root_user":        {caller(athenatrail.Identity{Type: "Root", AccountID: here}), note, "root human vouched"},
		"role":             {etl(), nil, "etl service vouched"},
		"service":          {userCall("svc-orders"), nil, "svc-orders service vouched"},
		"none":             {athenatrail.Record{}, note, "unknown unknown "},
	} {
		who, _ := Resolve(ptr(callAt(c.r, c.r.Identity.AccessKeyID, noon)), known, c.note, settings(t, nil))
		if got := who.Person + " " + who.PersonKind + " " + who.PersonTrust; got != c.want || who.PersonSource != rung {
			t.Errorf("%s: %s by %s, want %s", rung, got, who.PersonSource, c.want)
		}
		tested[rung] = true
	}
	for i, r := range ladder {
		if !tested[r.source] {
			t.Errorf("rung %s is not in the table", r.source)
		}
		if i < len(origins) && r.source != origins[i].source {
			t.Errorf("rung %d of the ladder is %s", i+1, r.source)
		}
	}
}

func ptr[T any](v T) *T { return &v }
