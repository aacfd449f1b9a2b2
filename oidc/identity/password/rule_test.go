package password_test

import (
	"strings"
	"testing"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/password"
)

func TestCommonPasswords(t *testing.T) {
	for _, p := range []string{
		"password", "Password1", "Passw0rd!", "P@ssw0rd2024", "password123", "drowssap1234", "qwertyuiop", "qwerty123", "qwerty123456", "1qaz2wsx", "!QAZ2wsx",
		"1qaz@WSX3edc", "zaq12wsx", "zaq1xsw2cde3", "qazwsxedc", "qweasdzxc", "asdfghjkl", "asdf1234", "1q2w3e4r", "1q2w3e4r5t", "q1w2e3r4", "a1b2c3d4", "abcd1234", "abc12345",
		"12345678", "123456789", "1234567890", "0987654321", "87654321", "11111111", "88888888", "00000000", "12121212", "123123123", "123321123", "11223344", "112233445566",
		"147258369", "159357159357", "13572468", "aaaaaaaa", "abababab", "abcabcabc", "xkqzxkqz", "a123456789", "aa123456", "a12345678", "qq123456789",
		"woaini1314", "woaini520", "woaini1314520", "5201314520", "52013140", "1314520520", "woaiwojia", "woaiwojia1", "wodemima123", "mima123456", "nihao123", "nihao12345",
		"zhang123", "zhang1990", "zhang19900101", "wangwei1985", "liming888", "beijing2008", "shanghai123", "zhongguo1949", "admin123", "admin@123", "Admin12345", "root1234",
		"letmein123", "iloveyou", "iloveyou1314", "monkey123", "dragon2020", "football1", "superman123", "trustno1", "welcome1", "Welcome2024!", "test1234", "hello123",
		"19900101", "1990-0101", "20080808", "13800138000", "a13800138000", "yizheng123", "yizheng@2026", "zhengwu123", "shenfenzheng1", "我爱你我爱你我爱你", "我爱你12345678", "一证12345678", "ＰＡＳＳＷＯＲＤ",
		"spring2026", "Summer2025", "october2024",
	} {
		if normal, _ := password.Normal(p); !password.Common(normal) {
			t.Errorf("%q isn't common", p)
		}
	}
}

// What somebody may well choose is not refused.
func TestUncommonPasswords(t *testing.T) {
	for _, p := range []string{
		"correct horse battery staple", "竹林深处有人家", "床前明月光疑是地上霜", "vK7#pQ2m", "Tr0ub4dor&3x", "kaffeetasse am fenster", "sdfk2938fjsl", "83749201", "mzpqxkvt",
		"我家门前有两棵枣树", "purple-Elephant-walks-27", "x7Kd92mQ", "shanzhongyeyu", "4815162342", "mijn fiets is groen", "лошадь бежит", "비밀번호입니다요",
		identitytest.Password,
	} {
		if normal, _ := password.Normal(p); password.Common(normal) {
			t.Errorf("%q is common", p)
		}
	}
}

func TestCheckPassword(t *testing.T) {
	a := identity.Account{LoginName: "xiaoyan.zhang", Phone: "+8613800138000"}
	p := identity.Party{Name: "张小䶮", FormerNames: []string{"Zhāng Daniel"}, Codes: []identity.PartyCode{{Code: identitytest.ZhangCode}, {Code: identitytest.GuestCode}}}
	for _, test := range []struct{ name, password, reason string }{
		{"good", identitytest.Password, ""},
		{"seven characters", "x7Kd92m", "password_short"},
		{"eight characters", "x7Kd92mQ", ""},
		{"eight ideographs", "竹林深处有一人家", ""},
		{"none", "", "password_short"},
		{"128 characters", strings.Repeat("x7Kd92mQvP3c8LtZ", 8), ""},
		{"128 ideographs", strings.Repeat("竹林深处有人家墙", 16), ""},
		{"129 characters", strings.Repeat("x7Kd92mQvP3c8LtZ", 8) + "x", "password_long"},
		{"very many", strings.Repeat("x7Kd92mQvP3c8LtZ", 10000), "password_long"},
		{"a line break", "x7Kd92mQ\n", "password_characters"},
		{"no text", "x7Kd92mQ\xff", "password_characters"},
		{"spaces inside", "mein fahrrad ist grün", ""},
		{"common", "1qaz2wsx3edc", "password_common"},
		{"the login name", "so, Xiaoyan.Zhang it is", "password_personal"},
		{"the phone", "my13800138000!", "password_personal"},
		{"the phone's end", "kl00138000mn", "password_personal"},
		{"the number", "x990101199001010035x", "password_personal"},
		{"the number's end", "kln010035mv", "password_personal"},
		{"full-width digits of it", "kln０１００３５mv", "password_personal"},
		{"a passport", "vp-e12345678", "password_personal"},
		{"the birth date", "kq19900101vm", "password_personal"},
		{"the short birth date", "kqv900101m", "password_personal"},
		{"the birth date with hyphens", "kq1990-01-01vm", "password_personal"},
		{"the name", "我就是张小䶮本人呀", "password_personal"},
		{"a former name", "ich bin Daniel heute", "password_personal"},
	} {
		identitytest.IsReason(t, test.name, password.Check(test.password, a, p), test.reason)
	}
	// Somebody without anything is refused nothing personal.
	identitytest.IsReason(t, "no person", password.Check("我就是张小䶮本人呀", identity.Account{}, identity.Party{}), "")
	odd := identity.Party{Name: "A", Codes: []identity.PartyCode{{Code: party.Code{Type: party.Soldier, Value: "军字第1234567号"}}}}
	identitytest.IsReason(t, "short names don't count", password.Check("banane am Abend", identity.Account{}, odd), "")
	identitytest.IsReason(t, "a soldier's number", password.Check("kx1234567号mv", identity.Account{}, odd), "password_personal")
}
