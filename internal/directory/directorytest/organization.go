package directorytest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

const rootName = "Root"

func (a Account) path() string {
	if a.OU == "" {
		return rootName
	}
	return a.OU
}

// unitID returns the id of a root or an organizational unit.
func unitID(path string) string {
	if !strings.Contains(path, "/") {
		return "r-ab12"
	}
	sum := sha256.Sum256([]byte(path))
	return "ou-ab12-" + hex.EncodeToString(sum[:4])
}

// units returns the paths of all units, the root's first.
func (s *Server) units() []string {
	known := map[string]bool{rootName: true}
	add := func(path string) {
		for i := range len(path) {
			if path[i] == '/' {
				known[path[:i]] = true
			}
		}
		known[path] = true
	}
	for _, a := range s.config.Accounts {
		add(a.path())
	}
	for _, u := range s.config.Units {
		add(u)
	}
	paths := make([]string, 0, len(known))
	for path := range known {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

// A listing is what the lists of Organizations are asked.
type listing struct {
	MaxResults *int
	NextToken  *string
	ParentId   *string
}

// listing reads what is asked, of a caller who may.
func (s *Server) listing(c call, parent bool) (in listing, path string, refused *refusal) {
	if err := json.Unmarshal(c.body, &in); err != nil {
		return in, "", refuse("SerializationException", err.Error())
	}
	if len(s.config.Accounts) == 0 {
		return in, "", refuse("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
	}
	if !slices.Contains(s.config.Managers, c.account) {
		return in, "", refuse("AccessDeniedException", "You don't have permissions to access this resource.")
	}
	if !parent {
		return in, "", nil
	}
	if in.ParentId == nil {
		return in, "", refuse("InvalidInputException", "You specified an invalid value.")
	}
	for _, path := range s.units() {
		if unitID(path) == *in.ParentId {
			return in, path, nil
		}
	}
	return in, "", refuse("ParentNotFoundException", "You specified parent that doesn't exist.")
}

func (s *Server) listAccounts(c call) (any, *refusal) {
	in, _, refused := s.listing(c, false)
	if refused != nil {
		return nil, refused
	}
	return page(s, in, "Accounts", s.config.Accounts, c.accountJSON)
}

func (s *Server) listAccountsForParent(c call) (any, *refusal) {
	in, path, refused := s.listing(c, true)
	if refused != nil {
		return nil, refused
	}
	var below []Account
	for _, a := range s.config.Accounts {
		if a.path() == path {
			below = append(below, a)
		}
	}
	return page(s, in, "Accounts", below, c.accountJSON)
}

func (s *Server) listRoots(c call) (any, *refusal) {
	in, _, refused := s.listing(c, false)
	if refused != nil {
		return nil, refused
	}
	return page(s, in, "Roots", []string{rootName}, c.unitJSON)
}

func (s *Server) listUnits(c call) (any, *refusal) {
	in, path, refused := s.listing(c, true)
	if refused != nil {
		return nil, refused
	}
	var below []string
	for _, u := range s.units() {
		if rest, ok := strings.CutPrefix(u, path+"/"); ok && !strings.Contains(rest, "/") {
			below = append(below, u)
		}
	}
	return page(s, in, "OrganizationalUnits", below, c.unitJSON)
}

func (c call) accountJSON(a Account) map[string]any {
	state := a.State
	if state == "" {
		state = "ACTIVE"
	}
	return map[string]any{
		"Id": a.ID, "Name": a.Name, "Email": "owner+" + a.ID + "@example.com",
		"Arn": "arn:aws:organizations::" + c.account + ":account/o-exampleorgid/" + a.ID, "Status": state, "State": state,
		"JoinedMethod": "CREATED", "JoinedTimestamp": 1767225600.5,
	}
}

func (c call) unitJSON(path string) map[string]any {
	id, name := unitID(path), path[strings.LastIndexByte(path, '/')+1:]
	return map[string]any{"Id": id, "Name": name, "Arn": "arn:aws:organizations::" + c.account + ":ou/o-exampleorgid/" + id}
}

// page numbers its pages. AWS's tokens are opaque, and it may give a page
// without items that is not the last: so is the second one here.
func page[T any](s *Server, in listing, member string, all []T, wire func(T) map[string]any) (any, *refusal) {
	size, number := s.config.PageSize, 0
	if in.MaxResults != nil {
		if *in.MaxResults < 1 || *in.MaxResults > maxPage {
			return nil, refuse("InvalidInputException", "You specified an invalid value.")
		}
		size = min(size, *in.MaxResults)
	}
	if in.NextToken != nil {
		text, ours := strings.CutPrefix(*in.NextToken, "page-")
		n, err := strconv.Atoi(text)
		if !ours || err != nil || n < 1 {
			return nil, refuse("InvalidInputException", "You provided an invalid NextToken.")
		}
		number = n
	}
	// Page 0 is the first, 1 the empty one, 2 goes on behind the first.
	from := min(max(number-1, 0)*size, len(all))
	to := min(from+size, len(all))
	if number == 1 {
		from = min(size, len(all))
		to = from
	}
	items := []map[string]any{}
	for _, item := range all[from:to] {
		items = append(items, wire(item))
	}
	out := map[string]any{member: items}
	if to < len(all) {
		out["NextToken"] = "page-" + strconv.Itoa(number+1)
	}
	return out, nil
}
