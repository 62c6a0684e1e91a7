package derive

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/identity"
)

// known is what other facts than a call's own record tell of the caller.
type known struct {
	issued  map[string][]*identity.Issue // by the hash of the issued key
	started map[string]*identity.SessionStart
	users   map[string]user // by the id that Identity Center gave
}

// A user is what Identity Center says of one.
type user struct{ email, name string }

func newKnown() known {
	return known{
		issued:  map[string][]*identity.Issue{},
		started: map[string]*identity.SessionStart{},
		users:   map[string]user{},
	}
}

// Issued returns the issues of the credentials with that hash.
func (k *known) Issued(accessKeyHash string) []*identity.Issue { return k.issued[accessKeyHash] }

// Started returns the StartSession that answered with that id, or nil.
func (k *known) Started(sessionID string) *identity.SessionStart { return k.started[sessionID] }

// User returns what Identity Center says of a user, as far as it was asked.
func (k *known) User(id string) (email, name string) { return k.users[id].email, k.users[id].name }

// saw notes the user behind a call.
func (d *Day) saw(user *athenatrail.OnBehalfOf) {
	if user.UserID != "" && user.IdentityStoreARN != "" && d.users[user.UserID] == "" {
		d.users[d.pool.text(user.UserID)] = d.pool.text(user.IdentityStoreARN)
	}
}

// Users returns the ids of the Identity Center users behind the day's calls,
// with the ARN of their identity store.
func (d *Day) Users() map[string]string { return d.users }

// Issued takes a role session by which a call of the day, or the start of one
// of its sessions, may be explained.
func (d *Day) Issued(s *athenatrail.RoleSession) {
	// A caller that cannot be read is one that the record does not tell.
	who, _ := cloudtrail.DecodeIdentity(s.Caller)
	issues := d.known.issued[s.AccessKeyHash]
	if slices.ContainsFunc(issues, func(i *identity.Issue) bool { return i.Home == s.Home && i.EventID == s.EventID }) {
		return
	}
	issues = append(issues, &identity.Issue{RoleSession: s, Identity: who})
	slices.SortFunc(issues, func(a, b *identity.Issue) int {
		return cmp.Or(strings.Compare(a.Home.Account, b.Home.Account), a.Home.Compare(b.Home), strings.Compare(a.EventID, b.EventID))
	})
	d.known.issued[s.AccessKeyHash] = issues
}

// Reference takes what AWS said of an account, a work group or a user, as it
// holds on the partition's day.
func (d *Day) Reference(ref *athenatrail.Reference) {
	switch ref.Kind {
	case athenatrail.KindAccount:
		var a struct{ Name, OU string }
		if json.Unmarshal([]byte(ref.Answer), &a) == nil && ref.ID == d.partition.Account {
			// Name and OU may be told apart.
			d.accountName, d.accountOU = cmp.Or(bounded(a.Name), d.accountName), cmp.Or(bounded(a.OU), d.accountOU)
		}
	case athenatrail.KindWorkGroup:
		var g struct{ Tags []struct{ Key, Value string } }
		if json.Unmarshal([]byte(ref.Answer), &g) == nil && g.Tags != nil {
			tags := make(map[string]string, len(g.Tags))
			for _, t := range g.Tags {
				tags[bounded(t.Key)] = bounded(t.Value)
			}
			d.tags[ref.ID] = tags
		}
	case athenatrail.KindIdentityUser:
		var u struct{ Email, Name string }
		if json.Unmarshal([]byte(ref.Answer), &u) == nil {
			d.known.users[ref.ID] = user{bounded(u.Email), bounded(u.Name)}
		}
	}
}
