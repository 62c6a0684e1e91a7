package identity

import (
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail"
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
	settings *Settings

	kind    string // the identity's type, by its ARN where AWS knew none
	role    string // of a role or a role session
	session string // the role session's name
	made    made   // what made that name, if nobody chose it
	machine reason // why a machine called, if one did
	agent   string // the AI agent's mark, if one called
}

// A reason is put together only when it is read.
type reason struct{ text, detail string }

func newCall(r *athenatrail.Record, s *Settings) call {
	c := call{record: r, settings: s, kind: typeOf(&r.Identity)}
	c.role, c.session = roleSession(&r.Identity, c.kind)
	if c.session != "" {
		c.made = madeName(c.session)
	}
	c.agent = agentMark(r)
	c.machine = c.machineMark()
	return c
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
// servers of github.com/awslabs/mcp set it as user_agent_extra.
var agentMarks = []string{"awslabs/mcp/"}

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
	"app.terraform.io",                    // HCP Terraform, runs
	"token.actions.githubusercontent.com", // GitHub Actions
	"gitlab.com",                          // GitLab CI
	"api.bitbucket.org",                   // Bitbucket Pipelines
	"oidc.circleci.com",                   // CircleCI
	"agent.buildkite.com",                 // Buildkite
}

// workload returns the identity provider that vouches for a program, or "" for
// people's.
func workload(id *athenatrail.Identity) string {
	for _, issuer := range workloadIssuers {
		if strings.Contains(id.IdentityProvider, issuer) {
			return issuer
		}
	}
	if strings.HasPrefix(id.UserName, "system:serviceaccount:") {
		return "Kubernetes"
	}
	return ""
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
