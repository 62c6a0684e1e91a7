package identity

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail"
)

// maxDepth bounds how many records are followed from one to the next.
const maxDepth = 10

// roleChain answers for a role session by the record of STS that issued its
// credentials; if the caller there is a role session that names nobody, by the
// record that issued those, and so on.
//
// It does not answer where a machine calls. A function's, a container's or a
// service's credentials are issued to an AWS service, so nothing would be
// found for them; a person's credentials that a machine uses nonetheless are
// the machine's doing. A build service that holds an IAM user's own key is
// that user to this rung, as it is to [iamUser]: such users belong on the list
// of shared principals.
func roleChain(c *call) answer {
	switch {
	case c.kind != typeAssumedRole:
		return no("not a role session", "")
	case c.machine.text != "":
		return no(c.machine.text, c.machine.detail)
	case c.keyHash == "":
		return no("the record has no access key, by which the issue of its credentials could be found", "")
	}
	var passed []string // hashes of keys
	agent := false
	for at := c; ; {
		if slices.Contains(passed, at.keyHash) {
			return c.ends(at, "the key comes back in its own chain, which is then no chain")
		}
		passed = append(passed, at.keyHash)
		issue, unfit := at.issue()
		switch {
		case unfit != nil:
			c.tell(unfit.record(), "%s: not used", unfit.took())
			return c.ends(at, "the record of the credentials' issue cannot be of this session: %s", at.unfit(unfit))
		case issue == nil && at == c:
			return no("no record of the credentials' issue in the lake: an AWS service took the role, or the chain begins outside the trail", "")
		case issue == nil:
			return c.ends(at, "no record of the issue of that caller's credentials in the lake: a service's, or the chain begins outside the trail")
		case at.depth >= maxDepth:
			return c.ends(at, "more than %d records would have to be followed", maxDepth)
		}
		at = at.behind(issue.record())
		at.keyHash, at.issued = issue.CallerKeyHash, issue
		agent = agent || at.agent != ""
		if c.told != nil {
			c.tell(at.record, "%s %s", at.describe(), issue.took())
		}
		found, a := at.origin()
		switch {
		case a.person != "":
			if c.told != nil {
				a.text, a.detail = c.chained(at)+", known by "+found+":", a.why()
			}
			if agent {
				a.kind = athenatrail.PersonAgent
			}
			return a
		case at.kind != typeAssumedRole:
			return c.ends(at, "%s", a.why())
		case at.machine.text != "":
			return c.ends(at, "a service's chain: %s %s", at.machine.text, at.machine.detail)
		case at.keyHash == "":
			return c.ends(at, "that record does not tell the caller's key, so the chain cannot be followed")
		}
	}
}

// chained says how far away from c a call stands that issued credentials.
func (c *call) chained(at *call) string {
	if n := at.depth - c.depth; n > 1 {
		return fmt.Sprintf("the credentials go back over %d issues to %s", n, at.describe())
	}
	return "the credentials were issued to " + at.describe()
}

// ends returns that the chain of c ends without an answer at a call, which is
// c itself or one behind it.
func (c *call) ends(at *call, format string, args ...any) answer {
	if c.told == nil {
		return answer{}
	}
	why := fmt.Sprintf(format, args...)
	if at != c {
		key := "the key"
		if n := at.depth - c.depth; n > 1 {
			key = fmt.Sprintf("the key %d issues back", n)
		}
		why = fmt.Sprintf("%s was issued by %s at %s, whose caller is %s: %s", key, at.issued.EventName, moment(at.issued.Issued), at.describe(), why)
	}
	return answer{text: why}
}

// origin answers for a caller of STS with whom a chain may begin, and with
// what it is known by.
func (c *call) origin() (by string, a answer) {
	switch c.kind {
	case typeAWSAccount:
		return "", no("this copy of the record names no more of the caller than its account; the chain begins outside the trail", "")
	case typeSAMLUser, typeWebIdentityUser:
		return "its identity provider", c.providersUser()
	}
	if rung, a := c.climb(origins, nil); rung != nil {
		return rung.source, a
	}
	switch c.kind {
	case typeIAMUser:
		return "", iamUser(c)
	case typeAWSService:
		return "", no("a service's chain", "")
	}
	return "", no("that names nobody", "")
}

// providersUser answers for the caller of AssumeRoleWithSAML or
// AssumeRoleWithWebIdentity, whom an identity provider outside of IAM vouches
// for. What the provider calls its user need not be a name: a number or an id
// may be anybody's, also a program's, until the directory tells whose it is.
func (c *call) providersUser() answer {
	id := &c.record.Identity
	if id.UserName == "" {
		return no("the identity provider gives no name", "")
	}
	if issuer := workload(id); issuer != "" {
		return no("a program's name, vouched for by", issuer)
	}
	if !c.settings.directory.names(prefixFederatedUser, id.UserName, c.on) {
		if made := madeName(id.UserName); made.maker != "" {
			return c.no("the name that the identity provider gives is %s: %s", made.maker, id.UserName)
		}
		if strings.ContainsAny(id.UserName, ":|/") {
			return no("the name that the identity provider gives is an id that the directory does not map:", prefixFederatedUser+":"+id.UserName)
		}
	}
	return c.named(prefixFederatedUser, id.UserName, "the name given by identity provider", id.IdentityProvider)
}

// record returns the record of the issue as far as the fact holds it.
func (i *Issue) record() *athenatrail.Record {
	return &athenatrail.Record{
		EventID: i.EventID, EventTime: i.Issued, EventName: i.EventName, EventSource: "sts.amazonaws.com",
		RecipientAccountID: i.Home.Account, Region: i.Home.Region,
		Identity: i.Identity, SourceIP: i.SourceIP, UserAgent: i.UserAgent,
	}
}

// took tells for what credentials were issued, for people.
func (i *Issue) took() string {
	return "took role " + cmp.Or(i.RoleARN, "unknown") + " as session " + cmp.Or(i.RoleSessionName, "unknown")
}

// issue returns the record of the issue of a call's credentials: the one that
// tells most of the caller, which across accounts is the copy in the caller's
// own. Where there are records but none can be of this session, it returns one
// of them as unfit.
func (c *call) issue() (issue, unfit *Issue) {
	if c.keyHash == "" {
		return nil, nil
	}
	for _, i := range c.known.Issued(c.keyHash) {
		best := &issue
		switch {
		case i == nil || i.RoleSession == nil:
			continue
		case !c.fits(i):
			best = &unfit
		}
		if *best == nil || compareIssues(i, *best) > 0 {
			*best = i
		}
	}
	if issue != nil {
		unfit = nil
	}
	return issue, unfit
}

func (c *call) fits(i *Issue) bool {
	return !c.isBefore(i) && isAssume(i) && c.isOfRole(i) && c.isOfSession(i)
}

// unfit tells why an issue cannot be that of the call's credentials. AWS gives
// no key twice, but those who pass records on like to write one example's key
// into all of them.
func (c *call) unfit(i *Issue) string {
	switch {
	case c.isBefore(i):
		return "they were issued at " + moment(i.Issued) + ", after the call"
	case !isAssume(i):
		return i.EventName + " makes no role sessions"
	case !c.isOfRole(i):
		return "they were issued for role " + i.RoleARN
	}
	return "they were issued for session " + i.RoleSessionName
}

func (c *call) isBefore(i *Issue) bool { return c.record.EventTime.Before(i.Issued) }

func isAssume(i *Issue) bool { return strings.HasPrefix(i.EventName, "AssumeRole") }

// isOfRole compares the role of a call with the one that was asked for, by
// account and name: the ARN of a session does not tell the role's path.
func (c *call) isOfRole(i *Issue) bool {
	account, resource, ok := strings.Cut(afterNth(i.RoleARN, ':', 4), ":")
	if !ok || c.role == "" {
		return true
	}
	own, _, _ := strings.Cut(afterNth(cmp.Or(c.record.Identity.Issuer.ARN, c.record.Identity.ARN), ':', 4), ":")
	return (own == "" || own == account) && lower(resource[strings.LastIndexByte(resource, '/')+1:]) == lower(c.role)
}

func (c *call) isOfSession(i *Issue) bool {
	return i.RoleSessionName == "" || c.session == "" || i.RoleSessionName == c.session
}

// compareIssues orders records of one issue by what they tell of the caller;
// what follows the first comparisons only makes the order total.
func compareIssues(a, b *Issue) int {
	return cmp.Or(
		cmp.Compare(telling(a), telling(b)),
		cmp.Compare(len(a.Caller), len(b.Caller)),
		strings.Compare(a.Caller, b.Caller),
		b.Issued.Compare(a.Issued),
		strings.Compare(a.EventID, b.EventID),
		strings.Compare(a.EventName, b.EventName),
		strings.Compare(a.CallerKeyHash, b.CallerKeyHash),
		strings.Compare(a.RoleARN, b.RoleARN),
		strings.Compare(a.RoleSessionName, b.RoleSessionName),
		strings.Compare(a.SourceIP, b.SourceIP),
		strings.Compare(a.UserAgent, b.UserAgent),
		a.Home.Compare(b.Home),
	)
}

// telling ranks the copy of another account, which holds the caller's account
// and id only, below any other.
func telling(i *Issue) int {
	switch i.Identity.Type {
	case "":
		return 0
	case typeAWSAccount:
		return 1
	}
	return 2
}
