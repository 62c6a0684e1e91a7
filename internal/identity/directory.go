package identity

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/spelling"
)

// Prefixes of a directory's ids that name a principal of AWS, and where in a
// record the rest of the id stands.
const (
	prefixIdentityCenter = "identity_center" // onBehalfOf.userId
	prefixSourceIdentity = "source_identity" // sessionContext.sourceIdentity
	prefixSession        = "session"         // a role session's name, also of Identity Center
	prefixIAMUser        = "iam_user"        // an IAM user's name, without its path
	prefixFederatedUser  = "federated_user"  // GetFederationToken's name; userName of SAML and OpenID Connect
)

var principalPrefixes = []string{prefixIdentityCenter, prefixSourceIdentity, prefixSession, prefixIAMUser, prefixFederatedUser}

// An Entry says who is behind an id, from the day From up to and without the
// day To; the zero Date is open. An id is PREFIX:NAME. The prefixes
// identity_center, source_identity, session, iam_user and federated_user say
// where a record has the name; any other lower-case word is the tool in whose
// comments it stands, as in metabase:7. Names are compared as they stand, but
// addresses without case.
type Entry struct {
	ID       string
	Name     string
	Email    string
	Team     string
	From, To athenatrail.Date
	Line     int // of the file, for messages; it changes nothing else
}

// person returns what the column person holds of an entry, which is nothing
// where it only tells a team.
func (e *Entry) person() string { return cmp.Or(e.Email, e.Name) }

// describe tells what the entry says, for people.
func (e *Entry) describe() string {
	var parts []string
	if e.person() != "" {
		parts = append(parts, e.person())
	}
	if e.Team != "" {
		parts = append(parts, "in team "+e.Team)
	}
	return strings.Join(parts, ", ")
}

func (e *Entry) holds(on athenatrail.Date) bool {
	return (e.From == 0 || on >= e.From) && (e.To == 0 || on < e.To)
}

// A Directory maps ids to people, day by day. A nil Directory maps none. It
// does not change, so it is safe for concurrent use.
type Directory struct {
	ids   map[directoryKey][]*Entry // no two of one id hold on one day
	teams map[string][]*Entry       // by address: entries with a team; those of one day agree
	hash  [sha256.Size]byte
}

// A directoryKey is an id in its two parts, so that looking it up makes no
// text.
type directoryKey struct{ prefix, name string }

// NewDirectory returns the directory of those entries, in whatever order they
// come. It refuses an id that is not PREFIX:NAME, an id that two entries give
// for one day, an entry that tells nothing, what cannot be an address, and two
// teams of one address on one day. Its errors begin with the entry's line.
func NewDirectory(entries []Entry) (*Directory, error) {
	d := &Directory{ids: map[directoryKey][]*Entry{}, teams: map[string][]*Entry{}}
	sorted := make([]*Entry, len(entries))
	for i, e := range entries {
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("line %d: %w", e.Line, err)
		}
		sorted[i] = &e
	}
	slices.SortFunc(sorted, func(a, b *Entry) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), strings.Compare(a.ID, b.ID), strings.Compare(a.Name, b.Name),
			strings.Compare(a.Email, b.Email), strings.Compare(a.Team, b.Team), cmp.Compare(a.Line, b.Line))
	})
	content := sha256.New()
	longest := map[string]*Entry{} // of an address's entries with a team, the one that holds longest
	for _, e := range sorted {
		fmt.Fprintf(content, "%q %q %q %q %d %d\n", e.ID, e.Name, e.Email, e.Team, e.From, e.To)
		key := keyOf(e.ID)
		if same := d.ids[key]; len(same) > 0 && overlap(same[len(same)-1], e) {
			a, b := byLine(same[len(same)-1], e)
			return nil, fmt.Errorf("line %d: id %q is in line %d already, for days that overlap", b.Line, b.ID, a.Line)
		}
		d.ids[key] = append(d.ids[key], e)
		if e.Email == "" || e.Team == "" {
			continue
		}
		before := longest[e.Email]
		if before != nil && before.Team != e.Team && overlap(before, e) {
			a, b := byLine(before, e)
			return nil, fmt.Errorf("line %d: %s is in team %q, in line %d in team %q, for days that overlap", b.Line, b.Email, b.Team, a.Line, a.Team)
		}
		if before == nil || e.To == 0 || before.To != 0 && e.To > before.To {
			longest[e.Email] = e
		}
		d.teams[e.Email] = append(d.teams[e.Email], e)
	}
	copy(d.hash[:], content.Sum(nil))
	return d, nil
}

// overlap reports whether both hold on some day; a does not begin after b.
func overlap(a, b *Entry) bool { return a.To == 0 || b.From < a.To }

func byLine(a, b *Entry) (first, second *Entry) {
	if b.Line < a.Line {
		return b, a
	}
	return a, b
}

// check refuses what the entry must not hold, and puts addresses into lower
// case.
func (e *Entry) check() error {
	prefix, name, ok := strings.Cut(e.ID, ":")
	switch {
	case !ok || name == "":
		return fmt.Errorf("id %q: want PREFIX:NAME, such as session:rosa or metabase:7", e.ID)
	case !isPrefix(prefix):
		return fmt.Errorf("id %q: want a lower-case word before the colon: %s, or a tool's name", e.ID, strings.Join(principalPrefixes, ", "))
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("id %q: blanks around the name", e.ID)
	}
	for _, known := range principalPrefixes {
		if prefix != known && spelling.Distance(prefix, known) <= 2 {
			return fmt.Errorf("id %q: prefix %q: did you mean %s?", e.ID, prefix, known)
		}
	}
	for _, field := range [...]struct{ name, text string }{{"id", e.ID}, {"name", e.Name}, {"email", e.Email}, {"team", e.Team}} {
		if !printable(field.text) || len(field.text) > maxText {
			return fmt.Errorf("id %q: %s %.80q: want at most %d bytes of text without control characters", bounded(e.ID), field.name, field.text, maxText)
		}
	}
	switch {
	case e.Email != "" && !isAddress(e.Email):
		return fmt.Errorf("id %q: email %q: want an address such as rosa@example.com", e.ID, e.Email)
	case e.person() == "" && e.Team == "":
		return fmt.Errorf("id %q: want a name, an email or a team", e.ID)
	case e.Team == athenatrail.TeamUnassigned:
		return fmt.Errorf("id %q: team %q: is the name for people without a team; leave it empty", e.ID, e.Team)
	case e.To != 0 && e.To <= e.From:
		return fmt.Errorf("id %q: valid_to %s: want a day after valid_from %s", e.ID, e.To, e.From)
	}
	if strings.Contains(name, "@") {
		e.ID = prefix + ":" + lower(name)
	}
	e.Email = lower(e.Email)
	return nil
}

// isPrefix reports whether s is a lower-case word; digits, hyphens and
// underscores may follow the first letter.
func isPrefix(s string) bool {
	return len(s) <= 64 && only(s, func(c byte) bool { return 'a' <= c && c <= 'z' || isDigit(c) || c == '-' || c == '_' }) && 'a' <= s[0] && s[0] <= 'z'
}

// isAddress reports whether s has an address's form: what is told here becomes
// a person as it stands.
func isAddress(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && len(s) <= 320 && local != "" && strings.Trim(domain, ".") == domain && domain != "" &&
		!strings.ContainsAny(s, " \t,;:<>()[]\"\\") && !strings.Contains(domain, "@") && !strings.Contains(domain, "..")
}

func keyOf(id string) directoryKey {
	prefix, name, _ := strings.Cut(id, ":")
	return directoryKey{prefix, name}
}

// Lookup returns the entry that says who is behind an id on a day.
func (d *Directory) Lookup(id string, on athenatrail.Date) (*Entry, bool) {
	key := keyOf(id)
	e := d.lookup(key.prefix, key.name, on)
	return e, e != nil
}

func (d *Directory) lookup(prefix, name string, on athenatrail.Date) *Entry {
	if d == nil {
		return nil
	}
	if strings.Contains(name, "@") {
		name = lower(name)
	}
	for _, e := range d.ids[directoryKey{prefix, name}] {
		if e.holds(on) {
			return e
		}
	}
	return nil
}

// names reports whether somebody is told to be behind an id on a day.
func (d *Directory) names(prefix, name string, on athenatrail.Date) bool {
	e := d.lookup(prefix, name, on)
	return e != nil && e.person() != ""
}

// teamOf returns the team of an address, in lower case, on a day, or "".
func (d *Directory) teamOf(address string, on athenatrail.Date) string {
	if d == nil {
		return ""
	}
	for _, e := range d.teams[address] {
		if e.holds(on) {
			return e.Team
		}
	}
	return ""
}
