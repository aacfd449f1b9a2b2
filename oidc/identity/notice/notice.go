// Package notice writes to people's phones: one-time codes, and what was done with their
// account. What such a message says stands here alone.
package notice

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// ErrNotTaken says, wrapped by a Sender's error, that the message surely wasn't taken: it was refused, or
// never handed over. After any other error it may arrive.
var ErrNotTaken = errors.New("the message was not taken")

// Sender delivers a message to a phone. The demo's shows them on a page.
type Sender interface {
	// Send hands a message over. Text is what the person reads.
	Send(ctx context.Context, m Message) error
}

// Message is one text message.
type Message struct {
	Phone string // E.164, such as +8613800000000
	Kind  Kind
	Text  string // complete, in the person's language
	Code  string // the one-time code in it, for gateways that fill templates of their own; empty: it has none
}

// Kind is what a message is about. Gateways choose their template by it: never change one.
type Kind string

// Kinds of messages with a one-time code.
const (
	LoginCode  Kind = "login_code"  // it confirms a login
	DeviceCode Kind = "device_code" // it confirms a login on an unknown device, after many tries
	PhoneCode  Kind = "phone_code"  // it logs in, without a password
	EntryCode  Kind = "entry_code"  // it registers, or recovers an account
)

// Kinds of messages that tell people what was done with their account.
const (
	PasswordChanged      Kind = "password_changed"
	PasswordSet          Kind = "password_set"  // by a link from the counter
	PhoneChanged         Kind = "phone_changed" // to the phone that the account had
	PhoneBound           Kind = "phone_bound"   // to the one that it has now
	AuthenticatorAdded   Kind = "authenticator_added"
	AuthenticatorRemoved Kind = "authenticator_removed"
	RecoveryCodesMade    Kind = "recovery_codes_made"
	RecoveryCodesRenewed Kind = "recovery_codes_renewed" // in place of others
	RecoveryCodeUsed     Kind = "recovery_code_used"
)

// Kinds of messages about who acts for whom. They name nobody.
const (
	RepresentationOffered Kind = "representation_offered" // to act for somebody
	RepresentationEnded   Kind = "representation_ended"
)

// Code returns the message of a kind with a one-time code that is good for five minutes. It
// says what the code is for, and never asks to tell it to anybody.
func Code(k Kind, phone, code, language string) Message {
	return Message{Phone: phone, Kind: k, Code: code, Text: Of(k, code, language)}
}

// texts is what messages of each kind say, in Chinese and in English. # is the code, or the
// name of what was added or removed.
var texts = map[Kind][2]string{
	LoginCode: {
		"【一证】验证码 #，用于确认是您本人正在登录，5 分钟内有效。请不要告诉任何人，工作人员也不会向您索要。如果不是您在操作，请尽快修改密码。",
		"[Yizheng] # confirms that it is you who is logging in. It is good for 5 minutes. Tell it to nobody; our staff never ask for it. If you aren't logging in, change your password soon.",
	},
	DeviceCode: {
		"【一证】有人正在一台新设备上登录您的账号，密码正确。如果是您本人，请在登录页面输入验证码 #，5 分钟内有效。如果不是您，请不要把它告诉任何人（工作人员也不会向您索要），并请尽快修改密码。",
		"[Yizheng] Somebody is logging in to your account on a new device, with the right password. If it is you, enter # on the login page within 5 minutes. If not, tell it to nobody, our staff included, and change your password soon.",
	},
	PhoneCode: {
		"【一证】您正在登录，验证码 #，5 分钟内有效。凭验证码即可登录，请不要告诉任何人，工作人员也不会向您索要。如果不是您在操作，请忽略本短信。",
		"[Yizheng] # is your login code. It is good for 5 minutes. Whoever has it can log in as you: tell it to nobody; our staff never ask for it. If you aren't logging in, ignore this message.",
	},
	EntryCode: {
		"【一证】您正在注册账号或找回密码，验证码 #，5 分钟内有效。请不要告诉任何人，工作人员也不会向您索要。如果不是您在操作，请忽略本短信。",
		"[Yizheng] # is your code to register or to set a new password. It is good for 5 minutes. Tell it to nobody; our staff never ask for it. If it isn't you who asks, ignore this message.",
	},
	PasswordChanged: {
		"【一证】您的账号密码已修改，其他设备上的登录已全部退出。如果不是您在操作，请携带本人身份证件到就近的政务服务大厅办理，或拨打 12345。",
		"[Yizheng] The password of your account was changed, and your other devices were logged out. If it wasn't you, go to a government service hall with your identity document, or call 12345.",
	},
	PasswordSet: {
		"【一证】您的账号已设置新密码，以前的登录已全部退出。如果不是您在操作，请携带本人身份证件到就近的政务服务大厅办理，或拨打 12345。",
		"[Yizheng] A new password was set for your account, and all devices were logged out. If it wasn't you, go to a government service hall with your identity document, or call 12345.",
	},
	PhoneChanged: {
		"【一证】您的账号已不再使用本手机号登录和接收验证码，所有设备上的登录已全部退出。如果不是您本人办理，请携带本人身份证件到就近的政务服务大厅办理，或拨打 12345。",
		"[Yizheng] Your account no longer uses this phone for logins and codes, and all devices were logged out. If you didn't ask for it, go to a government service hall with your identity document, or call 12345.",
	},
	PhoneBound: {
		"【一证】本手机号已绑定到您的账号，可用于登录和接收验证码。如果不是您本人办理，请携带本人身份证件到就近的政务服务大厅办理，或拨打 12345。",
		"[Yizheng] Your account now uses this phone for logins and codes. If you didn't ask for it, go to a government service hall with your identity document, or call 12345.",
	},
	AuthenticatorAdded: {
		"【一证】您的账号已添加登录方式：#。如果不是您在操作，请登录后在“账号与安全”中将其删除，并修改密码。",
		"[Yizheng] A way to confirm logins was added to your account: #. If it wasn't you, log in, remove it under “Account and security” and change your password.",
	},
	AuthenticatorRemoved: {
		"【一证】您的账号已删除登录方式：#，其他设备上的登录已全部退出。如果不是您在操作，请登录后修改密码，或携带本人身份证件到就近的政务服务大厅办理。",
		"[Yizheng] A way to confirm logins was removed from your account: #. Your other devices were logged out. If it wasn't you, log in and change your password, or go to a government service hall with your identity document.",
	},
	RecoveryCodesMade: {
		"【一证】您的账号已生成恢复码，可用于登录验证。如果不是您在操作，请登录后在“账号与安全”中将其删除，并修改密码。",
		"[Yizheng] Recovery codes were made for your account. If it wasn't you, log in, remove them under “Account and security” and change your password.",
	},
	RecoveryCodesRenewed: {
		"【一证】您的账号已重新生成恢复码，以前的恢复码已全部作废，其他设备上的登录已全部退出。如果不是您在操作，请登录后在“账号与安全”中将其删除，并修改密码。",
		"[Yizheng] New recovery codes were made for your account. Those before are no longer good, and your other devices were logged out. If it wasn't you, log in, remove them under “Account and security” and change your password.",
	},
	RepresentationOffered: {
		"【一证】有一项代理关系与您有关，可能需要您确认。请登录后在“代理关系”中查看。如果您不知情，请勿接受，也不要告诉任何人验证码。",
		"[Yizheng] An authorization to act for others concerns you and may await your answer. Log in and see “Acting for others”. If you know nothing of it, don't accept it, and tell nobody a code.",
	},
	RepresentationEnded: {
		"【一证】一项与您有关的代理关系已结束。请登录后在“代理关系”中查看。",
		"[Yizheng] An authorization to act for others that concerns you has ended. Log in and see “Acting for others”.",
	},
	RecoveryCodeUsed: {
		"【一证】您的账号刚刚使用恢复码通过了登录验证。如果不是您在操作，请登录后在“账号与安全”中删除恢复码，并修改密码。",
		"[Yizheng] A recovery code of your account was used just now to confirm a login. If it wasn't you, log in, remove the recovery codes under “Account and security” and change your password.",
	},
}

// Of returns the text of a kind in a language, with what stands for #.
func Of(k Kind, what, language string) string {
	both := texts[k]
	if strings.HasPrefix(strings.ToLower(language), "en") {
		return strings.Replace(both[1], "#", what, 1)
	}
	return strings.Replace(both[0], "#", what, 1)
}

// Notices tells people what was done with their account. Safe for concurrent use.
type Notices struct {
	sender  Sender
	journal identity.Journal
	log     *slog.Logger
}

// New returns Notices; without a Sender they tell nobody anything.
func New(s Sender, j identity.Journal, log *slog.Logger) *Notices { return &Notices{s, j, log} }

// sendTimeout is how long whoever did something waits until the gateway took the message.
const sendTimeout = 4 * time.Second

// ErrNotSent is what an event says of a message that the gateway didn't take.
var ErrNotSent = &identity.Error{Reason: "notice_not_sent", Detail: "The message could not be sent."}

// Tell tells the owner of an account, at its phone, what was done with it; what is the name of
// what was added or removed, or empty. What was done stays done if the gateway doesn't take the
// message: then an event and the log say so. Without a phone, or a gateway, it does nothing.
func (n *Notices) Tell(ctx context.Context, account identity.Account, k Kind, what, language, requestID string) {
	if n.sender == nil || account.Phone == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout) // also if the person doesn't wait for the page
	defer cancel()
	err := n.sender.Send(ctx, Message{Phone: account.Phone, Kind: k, Text: Of(k, what, language)})
	if err != nil {
		n.log.WarnContext(ctx, "a person could not be told what was done with their account", "account", account.ID, "kind", k, "error", err)
		err = ErrNotSent
	}
	n.journal.Noted(ctx, identity.Did("", journal.ActionNoticeSend, account.ID, requestID, identity.ReasonOf(err)))
}
