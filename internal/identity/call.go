package identity

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/annotation"
)

// Values of userIdentity.type (CloudTrail User Guide, "CloudTrail userIdentity
// element").
const (
	typeRoot            = "Root"
	typeIAMUser         = "IAMUser"
	typeAssumedRole     = "AssumedRole"
	typeRole            = "Role"
	typeFederatedUser   = "FederatedUser"
	typeDirectory       = "Directory"
	typeAWSAccount      = "AWSAccount"
	typeAWSService      = "AWSService"
	typeIdentityCenter  = "IdentityCenterUser"
	typeSAMLUser        = "SAMLUser"
	typeWebIdentityUser = "WebIdentityUser"
	typeUnknown         = "Unknown"
)

// A call is a record and what the rungs need to know of it.
type call struct {
	record   *athenatrail.Record
	known    Known
	note     *annotation.Note
	settings *Settings
	on       athenatrail.Date // when to ask the directory: the day of the call that is asked about
	keyHash  string           // of the access key that signed the call

	kind    string // the identity's type, by its ARN where AWS knew none
	role    string // of a role or a role session
	session string // the role session's name
	made    made   // what made that name, if nobody chose it
	machine reason // why a machine called, if one did
	agent   string // the AI agent's mark, if one called

	depth  int         // how many records away from the one that is asked about
	issued *Issue      // what the record is of, in a chain
	told   *[]Evidence // what the answer rests on; nil when nobody asks
}

// A reason is put together only when it is read.
type reason struct{ text, detail string }

func newCall(r *athenatrail.Record, known Known, note *annotation.Note, s *Settings) *call {
	if known == nil {
		known = noFacts{}
	}
	c := &call{record: r, known: known, note: note, settings: s, on: athenatrail.DateOf(r.EventTime)}
	c.keyHash = athenatrail.HashAccessKey(r.Identity.AccessKeyID)
	c.read()
	return c
}

// behind returns a call that stands behind c: one that issued c's credentials,
// or that started its notebook's session.
func (c *call) behind(r *athenatrail.Record) *call {
	b := &call{record: r, known: c.known, settings: c.settings, on: c.on, depth: c.depth + 1, told: c.told}
	b.keyHash = athenatrail.HashAccessKey(r.Identity.AccessKeyID)
	b.read()
	return b
}

func (c *call) read() {
	c.kind = typeOf(&c.record.Identity)
	c.role, c.session = roleSession(&c.record.Identity, c.kind)
	if c.session != "" {
		c.made = madeName(c.session)
	}
	c.agent = agentMark(c.record)
	c.machine = c.machineMark()
}

// tell notes what an answer rests on, if somebody asks.
func (c *call) tell(r *athenatrail.Record, format string, args ...any) {
	if c.told == nil {
		return
	}
	e := Evidence{Says: bounded(fmt.Sprintf(format, args...))}
	if r != nil {
		e.EventID, e.EventName, e.AccountID, e.Time = bounded(r.EventID), bounded(r.EventName), bounded(r.AccountID()), r.EventTime
	}
	*c.told = append(*c.told, e)
}

func (c *call) tellEntry(e *Entry) {
	if c.told != nil {
		c.tell(nil, "the directory, line %d: %s is %s", e.Line, e.ID, e.describe())
	}
}

// no is [no] with a text that is put together only when somebody asks.
func (c *call) no(format string, args ...any) answer {
	if c.told == nil {
		return answer{}
	}
	return answer{text: fmt.Sprintf(format, args...)}
}

// typeOf returns the identity's type. Where AWS did not know it the ARN may:
// sign-in records call users and role sessions Unknown.
func typeOf(id *athenatrail.Identity) string {
	switch id.Type {
	case typeRoot, typeIAMUser, typeAssumedRole, typeRole, typeFederatedUser, typeDirectory,
		typeAWSAccount, typeAWSService, typeIdentityCenter, typeSAMLUser, typeWebIdentityUser:
		return id.Type
	}
	switch resource := afterNth(id.ARN, ':', 5); {
	case resource == "root":
		return typeRoot
	case strings.HasPrefix(resource, "user/"):
		return typeIAMUser
	case strings.HasPrefix(resource, "assumed-role/"):
		return typeAssumedRole
	case strings.HasPrefix(resource, "federated-user/"):
		return typeFederatedUser
	case strings.HasPrefix(resource, "role/"):
		return typeRole
	}
	return typeUnknown
}

// roleSession returns the role and the session's name of a role or a role
// session. The ARN tells both, arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION;
// some records have the role's own ARN in its place, or none.
func roleSession(id *athenatrail.Identity, kind string) (role, session string) {
	if kind != typeAssumedRole && kind != typeRole {
		return "", ""
	}
	resource := afterNth(id.ARN, ':', 5)
	if rest, ok := strings.CutPrefix(resource, "assumed-role/"); ok {
		role, session, _ = strings.Cut(rest, "/")
	} else if strings.HasPrefix(resource, "role/") {
		role = resource[strings.LastIndexByte(resource, '/')+1:]
	}
	if id.Issuer.UserName != "" && (id.Issuer.Type == "Role" || id.Issuer.Type == "") {
		role = id.Issuer.UserName
	}
	if role == "" && kind == typeRole {
		role = id.UserName
	}
	if session == "" && kind == typeAssumedRole {
		// principalId is ID:SESSION. The id of a default host role, such as
		// 111122223333:aws:ec2-instance, has colons of its own.
		if rest, ok := strings.CutPrefix(id.PrincipalID, id.Issuer.PrincipalID+":"); ok && id.Issuer.PrincipalID != "" {
			session = rest
		} else {
			_, session, _ = strings.Cut(id.PrincipalID, ":")
		}
	}
	return role, session
}

// roleARN returns the role's ARN with its path, or "" where the record only
// has the session's, which lacks the path.
func (c *call) roleARN() string {
	if arn := c.record.Identity.Issuer.ARN; strings.Contains(arn, ":role/") {
		return arn
	}
	if arn := c.record.Identity.ARN; strings.Contains(arn, ":role/") {
		return arn
	}
	return ""
}

// userName returns an IAM user's name.
func (c *call) userName() string {
	if name := c.record.Identity.UserName; name != "" {
		return name
	}
	arn := c.record.Identity.ARN
	if !strings.Contains(arn, ":user/") {
		return ""
	}
	return arn[strings.LastIndexByte(arn, '/')+1:]
}

// PermissionSet returns the permission set of a role that Identity Center
// made, AWSReservedSSO_NAME_0123456789abcdef, and false for any other role. The
// name may hold underscores itself.
func PermissionSet(role string) (string, bool) {
	rest, ok := strings.CutPrefix(role, "AWSReservedSSO_")
	if !ok {
		return "", false
	}
	if i := strings.LastIndexByte(rest, '_'); i > 0 && len(rest)-i-1 == 16 && only(rest[i+1:], isHex) {
		return rest[:i], true
	}
	return rest, true
}

// forwarders are the services whose invokedBy is no sign of a machine: what
// they send on is their caller's own call. The console's old proxy is one;
// Athena itself calls Glue and Athena for the query's user (IAM User Guide,
// "Forward access sessions").
var forwarders = []string{"signin.amazonaws.com", "athena.amazonaws.com"}

// machineMark returns what shows that a machine called, if anything does.
// A service that calls with the session of somebody's e-mail address forwards
// that person's call: sessions that services make for themselves are named
// otherwise.
func (c *call) machineMark() reason {
	id := &c.record.Identity
	if s := id.InScopeOf; s != (athenatrail.InScopeOf{}) {
		for _, detail := range [...]string{s.CredentialsIssuedTo, s.SourceARN, s.IssuerType, s.SourceAccount} {
			if detail != "" {
				return reason{"the session was made for", detail}
			}
		}
	}
	if by := id.InvokedBy; by != "" && c.agent == "" && !slices.Contains(forwarders, by) && !strings.Contains(c.session, "@") {
		return reason{"called by", by}
	}
	if env := execEnv(c.record.UserAgent); env != "" && env != "CloudShell" {
		return reason{"called from", env}
	}
	return reason{}
}

// execEnv returns what AWS's SDKs say of where they run, such as
// AWS_Lambda_go1.x, AWS_ECS_FARGATE or CloudShell.
func execEnv(userAgent string) string {
	_, rest, ok := strings.Cut(userAgent, "exec-env/")
	if !ok {
		return ""
	}
	if i := strings.IndexAny(rest, " ;)],"); i >= 0 {
		rest = rest[:i]
	}
	return rest
}

// agentServices are the services through which AI agents call. An agent's
// record shows its service as invokedBy, address and agent (public record of
// type AwsMcpEvent, 2026).
var agentServices = []string{"aws-mcp.amazonaws.com"}

// agentMarks are what agents' own clients put into the user agent: the MCP
// servers of github.com/awslabs/mcp set theirs as user_agent_extra, in one of
// two forms; Amazon Q and Kiro send their application's id.
var agentMarks = []string{"awslabs/mcp/", "awslabs#mcp#", "AmazonQ-For-CLI"}

// agentMark returns what shows that an AI agent called, or "".
func agentMark(r *athenatrail.Record) string {
	if r.EventType == "AwsMcpEvent" {
		return r.EventType
	}
	for _, service := range agentServices {
		if r.Identity.InvokedBy == service || r.SourceIP == service || r.UserAgent == service {
			return service
		}
	}
	for _, mark := range agentMarks {
		if strings.Contains(r.UserAgent, mark) {
			return mark
		}
	}
	return ""
}

// workloadIssuers are parts of the names of identity providers that vouch for
// programs: OpenID Connect providers of clusters and of build services.
var workloadIssuers = []string{
	"oidc.eks.",                           // Amazon EKS, service accounts
	"container.googleapis.com",            // Google Kubernetes Engine, service accounts
	"app.terraform.io",                    // HCP Terraform, runs
	"token.actions.githubusercontent.com", // GitHub Actions
	"gitlab.com",                          // GitLab CI
	"api.bitbucket.org",                   // Bitbucket Pipelines
	"oidc.circleci.com",                   // CircleCI
	"agent.buildkite.com",                 // Buildkite
	"vstoken.dev.azure.com",               // Azure Pipelines
}

// workloadSubjects are how the names begin that such providers give, for those
// that run under a name of one's own.
var workloadSubjects = []string{
	"system:serviceaccount:", // Kubernetes
	"repo:",                  // GitHub Actions
	"project_path:",          // GitLab CI
	"organization:",          // Terraform, Buildkite
}

// workload returns the identity provider that vouches for a program, or what
// the program's name begins with, or "" for people's.
func workload(id *athenatrail.Identity) string {
	for _, issuer := range workloadIssuers {
		if strings.Contains(id.IdentityProvider, issuer) {
			return issuer
		}
	}
	for _, subject := range workloadSubjects {
		if strings.HasPrefix(id.UserName, subject) {
			return subject
		}
	}
	return ""
}

// describe names the caller for people.
func (c *call) describe() string {
	id := &c.record.Identity
	switch c.kind {
	case typeRoot:
		return "the root user of account " + id.AccountID
	case typeIAMUser:
		return "IAM user " + cmp.Or(c.userName(), id.PrincipalID)
	case typeAssumedRole:
		return "session " + c.session + " of role " + cmp.Or(c.role, id.ARN)
	case typeRole:
		return "role " + c.role
	case typeAWSAccount:
		return "principal " + id.PrincipalID + " of account " + id.AccountID
	case typeAWSService:
		return "AWS service " + id.InvokedBy
	case typeIdentityCenter:
		return "Identity Center user " + id.OnBehalfOf.UserID
	case typeSAMLUser:
		return "SAML user " + id.UserName
	case typeWebIdentityUser:
		return "web identity " + id.UserName + " of " + id.IdentityProvider
	}
	return "principal " + cmp.Or(id.ARN, id.UserName, id.PrincipalID, id.AccountID, "unknown") + " of type " + cmp.Or(id.Type, "unknown")
}

// kindOfRole returns the kind of a principal that is not a person: a service
// where its session is a machine's. A session that somebody opened in the
// console is nobody's service, whatever made its name.
func (c *call) kindOfRole() string {
	if c.machine.text != "" || c.made.says == machine && !c.record.FromConsole {
		return athenatrail.PersonService
	}
	return athenatrail.PersonUnknown
}
