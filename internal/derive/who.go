package derive

import (
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/annotation"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/tool"
)

// A callKey is all of a record that tells who called and with what, but for
// the call's time. A day has few of them and many calls of each.
type callKey struct {
	identity                                  athenatrail.Identity // without MFA and CreatedAt, which name nobody
	eventType, userAgent, sourceIP, recipient string
	console                                   bool
}

// A known call is what was told of calls with one key.
type knownCall struct {
	issued []*identity.Issue // of its credentials
	who    map[int]athenatrail.Who
	tool   tool.Tool
}

// Bounds of what a Day remembers of calls, in entries and in bytes of each.
const (
	maxCalls   = 4096
	maxCallKey = 8 << 10
)

// whoAndTool returns who made a call and with what. It is what identity and
// tool say, remembered where many calls are alike: the ladder takes longer than
// the rest of an event. The time of a call decides only whether its credentials
// were issued before, and for the code of a notebook's session, whether that
// had started; such calls are few, and not remembered.
func (d *Day) whoAndTool(r *athenatrail.Record, note *annotation.Note) (athenatrail.Who, tool.Tool) {
	ask := func() athenatrail.Who {
		who, _ := identity.Resolve(r, &d.known, note, d.settings.Identity)
		return who
	}
	if note != nil || strings.Contains(r.Identity.ARN, "AthenaExecutor-") || strings.Contains(r.Identity.PrincipalID, "AthenaExecutor-") {
		return ask(), tool.Of(r, note)
	}
	key := callKey{r.Identity, r.EventType, r.UserAgent, r.SourceIP, r.RecipientAccountID, r.FromConsole}
	key.identity.MFA, key.identity.CreatedAt = nil, time.Time{}
	held := d.calls[key]
	if held == nil {
		who, with := ask(), tool.Of(r, nil)
		if len(d.calls) < maxCalls && key.size() <= maxCallKey {
			with.Name, with.Detail = strings.Clone(with.Name), strings.Clone(with.Detail)
			held = &knownCall{issued: d.known.Issued(who.AccessKeyHash), who: map[int]athenatrail.Who{}, tool: tool.Tool{Name: with.Name, Detail: with.Detail}}
			held.who[held.before(r.EventTime)] = d.keptWho(who)
			d.calls[key.kept()] = held
		}
		return who, with
	}
	before := held.before(r.EventTime)
	who, ok := held.who[before]
	if !ok {
		who = d.keptWho(ask())
		held.who[before] = who
	}
	return who, held.tool
}

// before returns how many of the issues were by then. As they do not change
// within a day, it tells which.
func (k *knownCall) before(t time.Time) (n int) {
	for _, i := range k.issued {
		if !t.Before(i.Issued) {
			n++
		}
	}
	return n
}

// keptWho returns who without parts of a record.
func (d *Day) keptWho(who athenatrail.Who) athenatrail.Who {
	return d.pool.caller(&caller{Who: who}).Who
}

// texts returns the key's texts.
func (k *callKey) texts() [25]*string {
	i := &k.identity
	return [...]*string{
		&i.Type, &i.PrincipalID, &i.ARN, &i.AccountID, &i.AccessKeyID, &i.UserName, &i.InvokedBy, &i.SourceIdentity, &i.IdentityProvider, &i.CredentialID,
		&i.Issuer.Type, &i.Issuer.PrincipalID, &i.Issuer.ARN, &i.Issuer.AccountID, &i.Issuer.UserName, &i.OnBehalfOf.UserID, &i.OnBehalfOf.IdentityStoreARN,
		&i.InScopeOf.SourceARN, &i.InScopeOf.SourceAccount, &i.InScopeOf.IssuerType, &i.InScopeOf.CredentialsIssuedTo,
		&k.eventType, &k.userAgent, &k.sourceIP, &k.recipient,
	}
}

func (k *callKey) size() (n int) {
	for _, s := range k.texts() {
		n += len(*s)
	}
	return n
}

// kept returns the key without parts of a record: its texts lie one behind the
// other in one of their own.
func (k callKey) kept() callKey {
	var b strings.Builder
	b.Grow(k.size())
	for _, s := range k.texts() {
		b.WriteString(*s)
	}
	all := b.String()
	for _, s := range k.texts() {
		*s, all = all[:len(*s)], all[len(*s):]
	}
	return k
}
