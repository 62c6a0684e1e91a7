package limit

import (
	"slices"
	"strings"
)

// BlockPolicy is the name of the customer-managed policy that blocks those who
// come through single sign-on, where a permission set references it.
const BlockPolicy = "athenatrail-block"

// A Policy is a policy of IAM.
type Policy struct {
	Version   string
	Statement []Statement
}

// A Statement is one of a policy's.
type Statement struct {
	Sid      string
	Effect   string
	Action   []string
	Resource []string
}

// Policy returns the least that the thresholds of the limits in mode enforce
// need, and false if they need nothing: telling people is no matter of these
// permissions. Partition is that of the ARNs, such as aws.
func (ls *Limits) Policy(partition string) (Policy, bool) {
	var stop, block, groups []*Limit
	for _, l := range ls.list {
		if l.Mode != Enforce {
			continue
		}
		for _, t := range l.Thresholds {
			switch {
			case t.Action == Stop:
				stop = append(stop, l)
			case t.Action == Cutoff, t.Action == Block && l.Per == PerWorkGroup:
				groups = append(groups, l)
			case t.Action == Block:
				block = append(block, l)
			}
		}
	}
	p := Policy{Version: "2012-10-17"}
	allow := func(sid string, resources []string, calls ...string) {
		p.Statement = append(p.Statement, Statement{sid, "Allow", calls, resources})
	}
	if len(stop) > 0 {
		allow("StopWhatRuns", workGroups(partition, stop), "athena:StopQueryExecution", "athena:TerminateSession")
	}
	if len(groups) > 0 {
		allow("ChangeWorkGroups", workGroups(partition, groups), "athena:GetWorkGroup", "athena:UpdateWorkGroup")
	}
	if len(block) > 0 {
		allow("BlockRoles", roles(partition, block), "iam:DeleteRolePolicy", "iam:GetRolePolicy", "iam:ListRolePolicies", "iam:PutRolePolicy")
		if slices.ContainsFunc(block, func(l *Limit) bool { return l.match.fields[roleField] == nil }) {
			allow("BlockUsers", arns(partition, accounts(block), func(arn string) []string { return []string{arn + "user/*"} }),
				"iam:DeleteUserPolicy", "iam:GetUserPolicy", "iam:ListUserPolicies", "iam:PutUserPolicy")
		}
		allow("BlockPermissionSets", arns(partition, accounts(block), func(arn string) []string { return []string{arn + "policy/" + BlockPolicy} }),
			"iam:CreatePolicyVersion", "iam:DeletePolicyVersion", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListPolicyVersions")
		allow("SeePermissionSets", arns(partition, accounts(block), func(arn string) []string { return []string{arn + "role/aws-reserved/sso.amazonaws.com/*"} }),
			"iam:ListAttachedRolePolicies")
		if never := ls.never(); len(never) > 0 {
			p.Statement = append(p.Statement, Statement{"NeverTheProtected", "Deny",
				[]string{"iam:DeleteRolePolicy", "iam:DeleteUserPolicy", "iam:PutRolePolicy", "iam:PutUserPolicy"}, never})
		}
	}
	return p, len(p.Statement) > 0
}

// never returns what protect has of ARNs that a policy can name. A person or a
// role's name without its account may be protected too, but only we know that.
func (ls *Limits) never() (list []string) {
	for _, text := range ls.protect.Patterns() {
		parts := strings.SplitN(text, ":", 6)
		if len(parts) == 6 && parts[2] == "iam" && (strings.HasPrefix(parts[5], "role/") || strings.HasPrefix(parts[5], "user/")) {
			list = append(list, text)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// workGroups returns the ARNs of the work groups that limits are about.
func workGroups(partition string, limits []*Limit) []string {
	return each(limits, func(l *Limit) (list []string) {
		for _, account := range patterns(l, accountField) {
			for _, group := range patterns(l, groupField) {
				list = append(list, "arn:"+partition+":athena:*:"+account+":workgroup/"+group)
			}
		}
		return list
	})
}

// roles returns the ARNs of the roles that limits are about, under any path.
// What is in a pattern as a wildcard is one in a policy too.
func roles(partition string, limits []*Limit) []string {
	return each(limits, func(l *Limit) (list []string) {
		for _, account := range patterns(l, accountField) {
			arn := "arn:" + partition + ":iam::" + account + ":role/"
			for _, role := range patterns(l, roleField) {
				list = append(list, arn+role)
				if role != "*" {
					list = append(list, arn+"*/"+role)
				}
			}
		}
		return list
	})
}

func accounts(limits []*Limit) []string {
	return each(limits, func(l *Limit) []string { return patterns(l, accountField) })
}

func arns(partition string, accounts []string, of func(arn string) []string) (list []string) {
	for _, account := range accounts {
		list = append(list, of("arn:"+partition+":iam::"+account+":")...)
	}
	return list
}

// patterns returns those of a field as they were written, since IAM tells small
// letters from capitals; * for any.
func patterns(l *Limit, field int) []string {
	if list := l.match.texts[field]; list != nil {
		return list
	}
	return []string{"*"}
}

// each returns what limits give, in order and once.
func each(limits []*Limit, of func(*Limit) []string) (list []string) {
	for _, l := range limits {
		list = append(list, of(l)...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}
