package derive

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/athenatrail/athenatrail"
)

// What a Day keeps is made small: ids as 16 bytes, equal texts once, and
// nothing that would hold a whole record in memory.

// maxText bounds every text of a row, in bytes. CloudTrail's own fields are
// shorter; what an edited file holds may not be.
const maxText = 64 << 10

// maxJSON bounds a row's JSON texts: CloudTrail leaves out parameters over 100
// KB. A longer one is left out too, since a part of it would be no JSON; the
// fact still has it.
const maxJSON = 1 << 20

// bounded cuts s to at most [maxText] bytes, between characters.
func bounded(s string) string {
	if len(s) <= maxText {
		return s
	}
	n := maxText
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func boundedJSON(s string) string {
	if len(s) > maxJSON {
		return ""
	}
	return s
}

// An id is a query execution id, an event id or a text's hash in the room of a
// UUID: the UUID itself, or the start of the SHA-256 of any other text.
type id [16]byte

func idOf(s string) id {
	var out id
	if len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' {
		var digits [32]byte
		n := copy(digits[:], s[:8])
		n += copy(digits[n:], s[9:13])
		n += copy(digits[n:], s[14:18])
		n += copy(digits[n:], s[19:23])
		copy(digits[n:], s[24:])
		// Upper case is another text, so it must be another id.
		if _, err := hex.Decode(out[:], digits[:]); err == nil && !hasUpper(s) {
			return out
		}
	}
	sum := sha256.Sum256([]byte(s))
	copy(out[:], sum[:])
	return out
}

func hasUpper(s string) bool {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return true
		}
	}
	return false
}

// optional is a *bool that can be compared.
type optional int8

const (
	unknown optional = iota
	no
	yes
)

func optionalOf(b *bool) optional {
	switch {
	case b == nil:
		return unknown
	case *b:
		return yes
	}
	return no
}

func (o optional) pointer() *bool {
	if o == unknown {
		return nil
	}
	b := o == yes
	return &b
}

// A caller is who called and from where. Many starts have the same.
type caller struct {
	athenatrail.Who
	athenatrail.Where
	MFA optional
	own bool
}

// A setting is what an execution has in common with many others.
type setting struct {
	workGroup, catalog, database                string
	outcome, state, statementType, substatement string // of its detail
	engineVersion                               string
}

// A pool keeps equal texts, callers and settings once.
type pool struct {
	texts    map[string]string
	callers  map[caller]*caller
	settings map[setting]*setting
}

func newPool() pool {
	return pool{texts: map[string]string{}, callers: map[caller]*caller{}, settings: map[setting]*setting{}}
}

// text returns a copy of s that no longer is a part of a record.
func (p *pool) text(s string) string {
	if s == "" {
		return ""
	}
	kept, ok := p.texts[s]
	if !ok {
		kept = strings.Clone(bounded(s))
		p.texts[kept] = kept
	}
	return kept
}

func (p *pool) caller(c *caller) *caller {
	if kept := p.callers[*c]; kept != nil {
		return kept
	}
	kept := *c
	for _, s := range [...]*string{
		&kept.Person, &kept.PersonSource, &kept.PersonTrust, &kept.PersonKind, &kept.Team, &kept.PrincipalType, &kept.PrincipalARN,
		&kept.PrincipalID, &kept.RoleName, &kept.RoleSessionName, &kept.Who.SourceIdentity, &kept.IdentityCenterUserID, &kept.InvokedBy,
		&kept.AccessKeyHash, &kept.Tool, &kept.ToolDetail, &kept.SourceIP, &kept.UserAgent, &kept.VPCEndpointID,
	} {
		*s = p.text(*s)
	}
	p.callers[kept] = &kept
	return &kept
}

func (p *pool) setting(s setting) *setting {
	for _, text := range [...]*string{
		&s.workGroup, &s.catalog, &s.database, &s.outcome, &s.state, &s.statementType, &s.substatement, &s.engineVersion,
	} {
		*text = p.text(*text)
	}
	kept := p.settings[s]
	if kept == nil {
		kept = &s
		p.settings[s] = kept
	}
	return kept
}
