package identity

import (
	"cmp"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail"
)

// A rung answers who is behind a call, or why it cannot.
type rung struct {
	source string
	trust  string
	answer func(*call) answer
}

// An answer without a person is none. Its reason is put together only when
// somebody asks.
type answer struct {
	person, kind string
	trust        string // where it is not the rung's own
	team         string // that the directory gives
	text, detail string
}

func (a answer) why() string {
	if a.detail == "" {
		return a.text
	}
	return a.text + " " + a.detail
}

func no(text, detail string) answer { return answer{text: text, detail: detail} }

func human(person, text, detail string) answer {
	return answer{person: person, kind: athenatrail.PersonHuman, text: text, detail: detail}
}

func program(name, text, detail string) answer {
	return answer{person: name, kind: athenatrail.PersonService, text: text, detail: detail}
}

// ladder is every rung, highest first. A new rung is a new line here: what it
// needs beside the record goes into [call].
//
// origins are the rungs that may name the person at the beginning of a chain
// of role sessions, starters those that may name who started a notebook's
// session.
var ladder, origins, starters []rung

// The tables are filled here because two of the rungs climb them in turn, for
// the calls that they find behind theirs.
func init() {
	origins = []rung{
		{athenatrail.SourceIdentityCenter, athenatrail.TrustVouched, identityCenter},
		{athenatrail.SourceSourceIdentity, athenatrail.TrustVouched, sourceIdentity},
		{athenatrail.SourceNotebookSession, athenatrail.TrustVouched, notebookSession},
		{athenatrail.SourceSSOSession, athenatrail.TrustVouched, ssoSession},
		{athenatrail.SourceSessionName, athenatrail.TrustSession, sessionName},
		{athenatrail.SourceIAMUser, athenatrail.TrustVouched, iamUser},
	}
	chain := rung{athenatrail.SourceRoleChain, athenatrail.TrustVouched, roleChain}
	federated := rung{athenatrail.SourceFederatedUser, athenatrail.TrustVouched, federatedUser}
	root := rung{athenatrail.SourceRootUser, athenatrail.TrustVouched, rootUser}
	starters = slices.Concat(origins, []rung{chain, federated, root})
	ladder = slices.Concat(origins, []rung{
		chain,
		{athenatrail.SourceQueryComment, athenatrail.TrustAsserted, queryComment},
		federated,
		root,
		{athenatrail.SourceRole, athenatrail.TrustVouched, role},
		{athenatrail.SourceService, athenatrail.TrustVouched, service},
	})
}

// named answers with somebody whom a record names, as the directory has that
// name on the day of the call: by address, else by name, else as it stands.
func (c *call) named(prefix, name, text, detail string) answer {
	a := human(name, text, detail)
	if e := c.settings.directory.lookup(prefix, name, c.on); e != nil {
		a.team = e.Team
		c.tellEntry(e)
		if person := e.person(); person != "" {
			a.person = person
			return a
		}
	}
	if prefix == prefixIdentityCenter {
		email, full := c.known.User(name)
		if person := cmp.Or(email, full); person != "" {
			a.person = person
			c.tell(nil, "the Identity Store: user %s is %s", name, person)
		}
	}
	return a
}

func identityCenter(c *call) answer {
	user := c.record.Identity.OnBehalfOf.UserID
	if user == "" {
		return no("the record has no onBehalfOf.userId", "")
	}
	return c.named(prefixIdentityCenter, user, "onBehalfOf.userId of identity store", c.record.Identity.OnBehalfOf.IdentityStoreARN)
}

func sourceIdentity(c *call) answer {
	name := c.record.Identity.SourceIdentity
	if name == "" {
		return no("the session has no sourceIdentity", "")
	}
	return c.named(prefixSourceIdentity, name, "sessionContext.sourceIdentity", "")
}

func ssoSession(c *call) answer {
	if c.session == "" {
		return no("not a role session", "")
	}
	set, ok := PermissionSet(c.role)
	if !ok {
		return no("not a role of Identity Center:", c.role)
	}
	// Anybody who may create roles can give one such a name, but not the path.
	if arn := c.roleARN(); arn != "" && !strings.Contains(arn, ":role/aws-reserved/sso.amazonaws.com/") {
		return no("called like a role of Identity Center, but lies elsewhere:", arn)
	}
	return c.named(prefixSession, c.session, "session of Identity Center's permission set", set)
}

func sessionName(c *call) answer {
	if c.session == "" {
		return no("not a role session", "")
	}
	// A number may be an employee's: the directory knows.
	if c.made.maker != "" && !c.settings.directory.names(prefixSession, c.session, c.on) {
		return no("the session's name is "+c.made.maker+":", c.session)
	}
	if c.session == c.role {
		return no("the session is called like its role:", c.role)
	}
	if c.machine.text != "" {
		return no(c.machine.text, c.machine.detail)
	}
	return c.named(prefixSession, c.session, "the role session's name, in role", c.role)
}

func iamUser(c *call) answer {
	if c.kind != typeIAMUser {
		return no("not an IAM user", "")
	}
	user := c.userName()
	if user == "" {
		return no("the record does not name the IAM user", "")
	}
	if p := c.settings.sharedBy(user); p != "" {
		return no("the IAM user matches shared_principals", p)
	}
	return c.named(prefixIAMUser, user, "the IAM user's name", "")
}

// federatedUser answers for people whom a directory outside of IAM vouches
// for: GetFederationToken's, and those of the identity types that only STS's
// and sign-in's own records hold.
func federatedUser(c *call) answer {
	id := &c.record.Identity
	switch c.kind {
	case typeFederatedUser:
		if name := afterLast(id.ARN, ":federated-user/"); name != "" {
			return c.named(prefixFederatedUser, name, "the federated user's name", "")
		}
		if _, name, _ := strings.Cut(id.PrincipalID, ":"); name != "" {
			return c.named(prefixFederatedUser, name, "the federated user's name, in principalId", "")
		}
		return no("the record does not name the federated user", "")
	case typeSAMLUser, typeWebIdentityUser, typeDirectory, typeUnknown:
		if id.UserName == "" {
			return no("the record has no userName", "")
		}
		if issuer := workload(id); issuer != "" {
			return program(id.UserName, "a workload's name, vouched for by", issuer)
		}
		return c.named(prefixFederatedUser, id.UserName, "the name given by an identity provider:", id.IdentityProvider)
	}
	return no("not a federated user", "")
}

func rootUser(c *call) answer {
	if c.kind != typeRoot {
		return no("not the account's root user", "")
	}
	return human("root", "the root user of account", c.record.Identity.AccountID)
}

func role(c *call) answer {
	if c.role == "" {
		return no("not a role", "")
	}
	return answer{person: c.role, kind: c.kindOfRole(), text: "the role's name: nothing tells who used it"}
}

// service answers for AWS services, and for IAM users that are nobody's own:
// they are a pipeline's or a tool's way in, which is a service of another
// kind.
func service(c *call) answer {
	id := &c.record.Identity
	switch {
	case c.kind == typeIAMUser && c.userName() != "":
		a := program(c.userName(), "an IAM user that is shared", "")
		if e := c.settings.directory.lookup(prefixIAMUser, a.person, c.on); e != nil {
			a.team = e.Team
			c.tellEntry(e)
		}
		return a
	case c.kind == typeAWSService || id.InvokedBy != "" && id.PrincipalID == "" && id.ARN == "":
		if id.InvokedBy != "" {
			return program(id.InvokedBy, "invokedBy", "")
		}
		for _, name := range [...]string{c.record.SourceIP, c.record.UserAgent} {
			if strings.HasSuffix(name, ".amazonaws.com") {
				return program(name, "the caller's address or agent", "")
			}
		}
	}
	return no("not an AWS service that has a name", "")
}

// leftOver returns what stands for a person where no rung answers, which is
// never empty: of another account's principal its name, else the principal
// id, else the account.
func (c *call) leftOver() (person, kind string) {
	id := &c.record.Identity
	kind = c.kindOfRole()
	if c.kind == typeAWSAccount {
		if _, name, _ := strings.Cut(id.PrincipalID, ":"); name != "" {
			if made := madeName(name); made.says == machine {
				kind = athenatrail.PersonService
			}
			return name, kind
		}
		if id.AccountID != "" {
			return id.AccountID, kind
		}
	}
	for _, name := range [...]string{id.PrincipalID, id.AccountID} {
		if name != "" {
			return name, kind
		}
	}
	return "unknown", kind
}
