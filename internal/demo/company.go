// Package demo invents a company, Example Store, and what it did with Athena
// in 35 days of autumn 2026: a trail's log files in their real layout, the
// answers of the Athena API about them, and apart from both the truth, which
// the program never reads. People, accounts and numbers are made up. The same
// [Options] give the same bytes.
//
//	Generate -> Company -> WriteTrail    log files
//	                    -> API           what athenaapitest answers from
//	                    -> WriteTruth    who really did what
//
// [WriteBenchTrail] makes large trails apart from the company, for benchmarks.
package demo

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
)

// The accounts and regions of the company.
const (
	Analytics = "111122223333"
	Finance   = "444455556666"
	US        = "us-east-1"
	EU        = "eu-west-1"

	organization  = "o-exampleorg1"
	identityStore = "arn:aws:identitystore::111122223333:identitystore/d-0123456789"
)

// DetailsRole is the role that [Company.API] lets a caller assume in each
// account, as --assume-role takes it.
const DetailsRole = "arn:aws:iam::{account}:role/athenatrail-details"

// Credentials that [Company.API] knows; a user of the analytics account.
const (
	AccessKeyID     = "AKIADEMOREADEREXAMPL"
	SecretAccessKey = "demo/secret/access/key/of/nobody/EXAMPLE"
)

// DefaultEvents is how many Athena starts a company has unless told.
const DefaultEvents = 12_000

// Options say what company to invent.
type Options struct {
	// Events is about how many times a query is started; 0 means
	// DefaultEvents. Below a thousand a rare case may be missing.
	Events int
	Seed   uint64

	// Anomalies adds [Anomalies] anomalies to the last two weeks. Without, the
	// company has its own alone.
	Anomalies bool
}

var (
	firstDay = time.Date(2026, 9, 28, 0, 0, 0, 0, time.UTC) // a Monday
	lastDay  = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC) // a Sunday
	present  = time.Date(2026, 11, 2, 6, 0, 0, 0, time.UTC)
	lastWeek = time.Date(2026, 10, 26, 0, 0, 0, 0, time.UTC)
	halfway  = time.Date(2026, 10, 15, 0, 0, 0, 0, time.UTC)
)

// A Company is what Generate invented.
type Company struct {
	// Now is when the story stops: log files are delivered until then, and
	// what still runs then is not final. The 35 days end some hours before;
	// the night's jobs go on until Now.
	Now time.Time

	seed   uint64
	factor float64 // starts for each that an actor's mean says
	events []event
	runs   []run
	index  map[runKey]int
	lists  map[groupKey][]string // ids, newest first

	sessions      []*sparkSession
	findings      []SparkFinding
	queryFindings []QueryFinding
	anomalies     []Anomaly
	sessionsByID  map[runKey]*sparkSession
	calculations  map[runKey]*sparkCalculation
}

type (
	runKey   struct{ account, region, id string }
	groupKey struct{ account, region, group string }
)

// A run is one start: what is true of it, and what Athena answers.
type run struct {
	truth  Truth
	answer athenaapitest.Execution
	known  bool // Athena answers for its id
}

// Rungs of the ladder, as the column person_source names them.
const (
	identityCenter = "identity_center"
	sourceIdentity = "source_identity"
	notebook       = "notebook_session"
	ssoSession     = "sso_session"
	sessionName    = "session_name"
	iamUser        = "iam_user"
	roleChain      = "role_chain"
	queryComment   = "query_comment"
	federatedUser  = "federated_user"
	rootUser       = "root_user"
	roleRung       = "role"
)

// Kinds of persons.
const (
	human   = "human"
	service = "service"
	agent   = "agent"
)

// A caller is who signs calls for a while: one set of credentials.
type caller struct {
	account  string
	identity string // userIdentity as JSON
	arn      string
	role     string // ARN of the role; empty for users
	key      string
	created  time.Time
	lasts    time.Duration // 0: sessionLength
	console  bool
	mcp      bool // through AWS's MCP server

	person, kind, rung, answer string
}

// A person uses Athena through single sign-on.
type person struct {
	name       string
	team       string
	set        string // permission set
	account    string
	region     string
	group      string // work group
	areas      []string
	perDay     float64 // starts on a working day
	office     office
	through    string // what they mostly work with
	propagates bool   // calls carry onBehalfOf
}

func (p person) email() string { return p.name + "@example.com" }

var people = []person{
	{"rosa", "sales", "Analyst", Analytics, US, "analysts", []string{"sales", "web"}, 12, boston, "console", true},
	{"milo", "sales", "Analyst", Analytics, US, "analysts", []string{"sales"}, 9, boston, "console", false},
	{"ines", "marketing", "Analyst", Analytics, US, "marketing", []string{"web", "sales"}, 10, boston, "jdbc", false},
	{"otto", "marketing", "Analyst", Analytics, US, "marketing", []string{"web"}, 6, boston, "console", true},
	{"lena", "web-analytics", "WebAnalyst", Analytics, EU, "web-analytics", []string{"web", "raw"}, 11, berlin, "console", false},
	{"vera", "web-analytics", "WebAnalyst", Analytics, EU, "web-analytics", []string{"web", "raw"}, 9, berlin, "awswrangler", false},
	{"emil", "web-analytics", "WebAnalyst", Analytics, EU, "web-analytics", []string{"web"}, 8, berlin, "jdbc", true},
	{"hugo", "sales", "Analyst", Analytics, US, "analysts", []string{"sales", "raw"}, 10, boston, "aws-cli", false},
	{"nora", "data-science", "DataScientist", Analytics, US, "data-science", []string{"ml", "web"}, 8, boston, "awswrangler", false},
	{"theo", "data-science", "DataScientist", Analytics, US, "data-science", []string{"ml", "sales"}, 7, boston, "awswrangler", true},
	{"jana", "marketing", "Analyst", Analytics, US, "marketing", []string{"web", "sales"}, 8, boston, "console", false},
	{"paul", "finance", "FinanceAnalyst", Finance, US, "finance", []string{"finance"}, 9, boston, "console", false},
	{"kira", "finance", "FinanceAnalyst", Finance, EU, "finance", []string{"finance"}, 8, berlin, "jdbc", true},
	{"olga", "platform", "DataEngineer", Analytics, EU, "platform", []string{"raw", "sales"}, 7, berlin, "aws-cli", false},
}

func (p person) caller(r random, at time.Time) *caller {
	role := "AWSReservedSSO_" + p.set + "_" + strings.ToLower(hexOf(p.account + p.set))[:16]
	id := roleSession{
		account: p.account, path: "aws-reserved/sso.amazonaws.com/" + EU + "/", role: role,
		session: p.email(), created: at, key: r.id("ASIA", 16), console: p.through == "console",
	}
	rung, answer := ssoSession, p.email()
	if p.propagates {
		id.onBehalfOf = p.userID()
		rung, answer = identityCenter, p.userID()
	}
	return id.caller(p.email(), human, rung, answer)
}

// userID is the person's id in Identity Center.
func (p person) userID() string {
	h := hexOf("identity center " + p.name)
	return strings.ToLower(h[:8] + "-" + h[8:12] + "-4" + h[12:15] + "-8" + h[15:18] + "-" + h[18:30])
}

func personNamed(name string) person {
	for _, p := range people {
		if p.name == name {
			return p
		}
	}
	panic("demo: no person " + name)
}

// A roleSession is what userIdentity tells of a session of a role.
type roleSession struct {
	account, path, role, session string
	key                          string
	created                      time.Time
	console                      bool
	mfa                          bool
	sourceIdentity               string
	invokedBy                    string
	onBehalfOf                   string
	inScopeOf                    string // ARN of a Lambda function
	ec2                          bool
}

func (s roleSession) caller(person, kind, rung, answer string) *caller {
	var w writer
	principal := principalID("AROA", s.account+s.role)
	arn := "arn:aws:sts::" + s.account + ":assumed-role/" + s.role + "/" + s.session
	roleARN := "arn:aws:iam::" + s.account + ":role/" + s.path + s.role
	mfa := "false"
	if s.mfa {
		mfa = "true"
	}
	w.open("")
	w.text("type", "AssumedRole")
	w.text("principalId", principal+":"+s.session)
	w.text("arn", arn)
	w.text("accountId", s.account)
	w.text("accessKeyId", s.key)
	w.open("sessionContext")
	w.open("sessionIssuer")
	w.text("type", "Role")
	w.text("principalId", principal)
	w.text("arn", roleARN)
	w.text("accountId", s.account)
	w.text("userName", s.role)
	w.close()
	w.raw("webIdFederationData", "{}")
	w.open("attributes")
	w.text("creationDate", s.created.Format(time.RFC3339))
	w.text("mfaAuthenticated", mfa)
	w.close()
	if s.sourceIdentity != "" {
		w.text("sourceIdentity", s.sourceIdentity)
	}
	if s.ec2 {
		w.text("ec2RoleDelivery", "2.0")
	}
	w.close()
	if s.invokedBy != "" {
		w.text("invokedBy", s.invokedBy)
	}
	if s.onBehalfOf != "" {
		w.open("onBehalfOf")
		w.text("userId", s.onBehalfOf)
		w.text("identityStoreArn", identityStore)
		w.close()
	}
	if s.inScopeOf != "" {
		w.open("inScopeOf")
		w.text("issuerType", "AWS::Lambda::Function")
		w.text("credentialsIssuedTo", s.inScopeOf)
		w.close()
	}
	w.close()
	return &caller{
		account: s.account, identity: string(w), arn: arn, role: roleARN, key: s.key, created: s.created, console: s.console,
		person: person, kind: kind, rung: rung, answer: answer,
	}
}

// user returns the caller of an IAM user with a long-lived key.
func user(account, name, key, person, kind, rung string) *caller {
	var w writer
	arn := "arn:aws:iam::" + account + ":user/" + name
	w.open("")
	w.text("type", "IAMUser")
	w.text("principalId", principalID("AIDA", account+name))
	w.text("arn", arn)
	w.text("accountId", account)
	w.text("accessKeyId", key)
	w.text("userName", name)
	w.close()
	return &caller{account: account, identity: string(w), arn: arn, key: key, person: person, kind: kind, rung: rung, answer: name}
}

func hexOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	b := make([]byte, 0, 64)
	for _, x := range sum {
		b = append(b, hexDigits[x>>4], hexDigits[x&15])
	}
	return string(b)
}

// principalID returns an id such as AROA... that is always the same for of.
func principalID(prefix, of string) string {
	sum := sha256.Sum256([]byte(of))
	return prefix + base32encoding.EncodeToString(sum[:])[:17]
}

var base32encoding = base32.StdEncoding
