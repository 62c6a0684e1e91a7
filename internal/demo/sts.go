package demo

import (
	"strings"
	"time"
)

const (
	sessionLength = 12 * time.Hour
	chainedLength = time.Hour // what AWS allows a role that another one assumes

	// expiryLayout is how CloudTrail writes a credential's end: English text,
	// with a narrow no-break space before AM or PM.
	expiryLayout = "Jan 2, 2006, 3:04:05\u202fPM"
)

// credentials is the member of an STS answer that names the issued key.
func (b *builder) credentials(w *writer, who *caller) {
	w.open("credentials")
	w.text("accessKeyId", who.key)
	w.text("sessionToken", "IQoJb3JpZ2luX2Vj"+b.r.id("", 200))
	lasts := sessionLength
	if who.lasts > 0 {
		lasts = who.lasts
	}
	w.text("expiration", who.created.Add(lasts).UTC().Format(expiryLayout))
	w.close()
}

// sessionOf splits a session's ARN into the id of the role and the session.
func sessionOf(who *caller) (assumedID, session string) {
	session = who.arn[strings.LastIndexByte(who.arn, '/')+1:]
	role := strings.Split(who.arn, "/")[1]
	return principalID("AROA", who.account+role) + ":" + session, session
}

// assumed returns the parameters and the answer of an AssumeRole* call.
func (b *builder) assumed(who *caller, more ...string) (params, response string) {
	id, session := sessionOf(who)
	params = object(append([]string{"roleArn", who.role, "roleSessionName", session}, more...)...)
	var w writer
	w.open("")
	b.credentials(&w, who)
	w.open("assumedRoleUser")
	w.text("assumedRoleId", id)
	w.text("arn", who.arn)
	w.close()
	w.close()
	return params, string(w)
}

func roleResource(who *caller) string {
	return `[{"accountId":"` + who.account + `","type":"AWS::IAM::Role","ARN":"` + who.role + `"}]`
}

// assume records that one session assumed a role, and returns the event's id.
// Across accounts both receive a copy; the other one's tells no more of the
// caller than its id.
func (b *builder) assume(from, to *caller, region, ip, agent string) string {
	params, response := b.assumed(to)
	e := event{
		at: to.created, account: from.account, region: region, source: stsSource, name: "AssumeRole", identity: from.identity,
		ip: ip, agent: agent, params: params, response: response, resources: roleResource(to), readOnly: true,
	}
	if from.account != to.account {
		e.shared = b.r.uuid()
		b.record(e)
		id, _ := sessionOf(from)
		e.account = to.account
		e.identity = object("type", "AWSAccount", "principalId", id, "accountId", from.account)
	}
	return b.record(e)
}

// signIn records what Identity Center does when a person starts a session.
func (b *builder) signIn(p person, who *caller, at time.Time, ip string) {
	params, response := b.assumed(who, "principalArn", "arn:aws:iam::"+who.account+":saml-provider/AWSSSO_0123456789abcdef_DO_NOT_DELETE")
	b.record(event{
		at: at, account: who.account, region: EU, source: stsSource, name: "AssumeRoleWithSAML", ip: ip, agent: "aws-sso/1.0",
		identity: object("type", "SAMLUser", "principalId", "c2Ftc3Nv:"+p.email(), "userName", p.email(), "identityProvider", "c2Ftc3Nv"),
		params:   params, response: response, resources: roleResource(who), readOnly: true,
	})
}

// saml records that somebody came from the company's own identity provider.
func (b *builder) saml(who *caller, name string, at time.Time, ip string) {
	params, response := b.assumed(who, "principalArn", "arn:aws:iam::"+who.account+":saml-provider/audit-idp")
	b.record(event{
		at: at, account: who.account, region: US, source: stsSource, name: "AssumeRoleWithSAML", ip: ip, agent: agentConsole,
		identity: object("type", "SAMLUser", "principalId", "YXVkaXQ=:"+name, "userName", name, "identityProvider", "YXVkaXQ="),
		params:   params, response: response, resources: roleResource(who), readOnly: true,
	})
}

// issued records that an AWS service took a role for what it runs.
func (b *builder) issued(who *caller, by, region string) {
	params, response := b.assumed(who)
	b.record(event{
		at: who.created, account: who.account, region: region, source: stsSource, name: "AssumeRole",
		identity: object("type", "AWSService", "invokedBy", by), ip: by, agent: by, params: params, response: response,
		resources: roleResource(who), readOnly: true, forwarded: true, shared: b.r.uuid(),
	})
}

// federated is a session that a user of the account made for somebody else.
func federated(account, name, broker, key string, created time.Time) *caller {
	var w writer
	arn := "arn:aws:sts::" + account + ":federated-user/" + name
	w.open("")
	w.text("type", "FederatedUser")
	w.text("principalId", account+":"+name)
	w.text("arn", arn)
	w.text("accountId", account)
	w.text("accessKeyId", key)
	w.open("sessionContext")
	w.raw("sessionIssuer", object("type", "IAMUser", "principalId", principalID("AIDA", account+broker), "arn", "arn:aws:iam::"+account+":user/"+broker, "accountId", account, "userName", broker))
	w.raw("attributes", object("creationDate", created.Format(time.RFC3339), "mfaAuthenticated", "false"))
	w.close()
	w.close()
	return &caller{account: account, identity: string(w), arn: arn, key: key, created: created, person: name, kind: human, rung: federatedUser, answer: name}
}

func (b *builder) federate(who *caller, name, ip string) {
	var w writer
	w.open("")
	b.credentials(&w, who)
	w.raw("federatedUser", object("federatedUserId", who.account+":"+name, "arn", who.arn))
	w.close()
	b.record(event{
		at: who.created, account: who.account, region: US, source: stsSource, name: "GetFederationToken", ip: ip, agent: agentBoto,
		identity: user(who.account, "partner-broker", "AKIADEMOBROKEREXAMPL", "partner-broker", service, iamUser).identity,
		params:   `{"name":"` + name + `","durationSeconds":43200}`, response: string(w), readOnly: true,
	})
}
