package imports

import (
	"bytes"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"yizheng.internal/api/rows"
	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity/intake"
)

// personFields are the fields of a row of person import, in the order of intake.Fields, and what
// columns of them are called in other systems.
var personFields = []rows.Field{
	{Name: "record_id", Required: true, Words: []string{"recordid", "用户编号", "用户标识", "用户id", "账号编号", "人员编号", "记录编号", "记录号", "流水号", "编号", "主键", "序号", "userid", "uid", "uuid", "id"}},
	{Name: "name", Required: true, Words: []string{"姓名", "真实姓名", "用户姓名", "中文姓名", "自然人姓名", "realname", "fullname", "xm", "名字"}},
	{Name: "code_type", Words: []string{"证件类型", "证件类型代码", "证件种类", "codetype", "idtype", "certtype", "zjlx"}},
	{Name: "code", Required: true, Words: []string{"公民身份号码", "身份证号", "身份证号码", "居民身份证号码", "证件号码", "证件号", "身份号码", "idcard", "idcardno", "idno", "idnumber", "certno", "certificateno", "sfzh", "zjhm"}},
	{Name: "phone", Words: []string{"手机号", "手机号码", "手机", "移动电话", "联系电话", "联系手机", "电话", "phone", "phonenumber", "mobile", "mobilephone", "telephone", "sjh", "sjhm"}},
	{Name: "login_name", Words: []string{"登录名", "登录账号", "用户名", "账号", "帐号", "loginname", "username", "login", "account"}},
	{Name: "level", Words: []string{"实名等级", "核验级别", "认证等级", "认证级别", "实名级别", "等级", "级别", "authlevel", "level"}},
	{Name: "proofed_at", Words: []string{"实名日期", "核验日期", "认证日期", "实名时间", "认证时间", "核验时间", "proofedat", "verifiedat", "authdate"}},
	{Name: "password", Words: []string{"密码哈希", "密码摘要", "密码散列", "口令", "登录密码", "密码", "passwordhash", "passwd", "pwd", "password"}},
}

// maxMapping is the largest file of --mapping, in bytes.
const maxMapping = 64 << 10

// mapping returns what --mapping and --map say; the flag wins.
func (c *ImportCmd) mapping(p *command.Process) (rows.Mapping, error) {
	m := rows.Mapping{}
	if c.Mapping != "" {
		text, err := command.ReadInput(p, c.Mapping, maxMapping)
		if err != nil {
			return nil, err
		}
		for line := range bytes.Lines(text) {
			one := strings.TrimSpace(string(line))
			if one == "" || strings.HasPrefix(one, "#") {
				continue
			}
			field, column, ok := strings.Cut(one, "=")
			if !ok {
				return nil, texts.Usage("import.mapping_line", c.Mapping)
			}
			m[strings.TrimSpace(field)] = strings.TrimSpace(column)
		}
	}
	for field, column := range c.Map {
		m[field] = strings.TrimSpace(column)
	}
	return m, nil
}

// rowOf returns a file's row as a person's.
func rowOf(r rows.Row, f *file) intake.Row {
	cell := func(field int) string {
		if f.columns[field] < 0 || f.columns[field] >= len(r.Cells) {
			return ""
		}
		return r.Cells[f.columns[field]]
	}
	return intake.Row{
		Place: intake.Place{File: f.number, Line: r.Line}, Record: cell(0), Name: cell(1), CodeType: cell(2), Code: cell(3), Phone: cell(4),
		Login: cell(5), Level: cell(6), Proofed: cell(7), Password: cell(8),
	}
}

// propose prints the mapping that is proposed for a file, in the form of --mapping, with the first
// row beside it, masked.
func propose(p *command.Process, r *rows.Reader) error {
	m := rows.Suggest(r.Headings(), personFields)
	columns, err := m.Columns(r.Headings(), personFields)
	if err != nil {
		columns = nil // something that is needed isn't found: it is printed as such
	}
	first, _ := r.Next() // without a row there is none to show
	p.Print("import.proposed")
	for i, f := range personFields {
		heading, found := m[f.Name]
		if !found && !f.Required {
			continue
		}
		if !found {
			p.Print("import.not_found", f.Name)
			continue
		}
		sample := ""
		if columns != nil && columns[i] >= 0 && columns[i] < len(first.Cells) {
			sample = masked(f.Name, first.Cells[columns[i]])
		}
		p.Print("import.sample", command.Printable(sample))
		if _, err := io.WriteString(p.Out, f.Name+"="+command.Printable(heading)+"\n"); err != nil {
			return err
		}
	}
	if len(m) == 0 {
		p.Print("import.no_headings")
	}
	for _, heading := range r.Headings() {
		if len(m) == 0 || manyDigits.MatchString(heading) { // a row of somebody's data, most likely
			heading = masked("", heading)
		}
		if !slices.Contains(slices.Collect(maps.Values(m)), heading) {
			p.Print("import.unused", command.Printable(heading))
		}
	}
	return nil
}

var manyDigits = regexp.MustCompile(`([0-9].*){5}`)

// masked returns a cell as it may be shown: enough to see whether it is of the right column.
func masked(field, cell string) string {
	all := []rune(strings.TrimSpace(cell))
	switch {
	case field == "name":
		return party.MaskName(string(all))
	case field == "password":
		scheme, _, ok := strings.Cut(strings.TrimPrefix(string(all), "$"), "$")
		if ok && slices.Contains([]string{"2a", "2b", "2y", "pbkdf2-sha256", "pbkdf2-sha512", "pbkdf2_sha256", "scrypt", "argon2id", "sm3"}, scheme) {
			return scheme + "…"
		}
		return strings.Repeat("*", min(len(all), 8)) // it may be a password as it was typed
	case field == "level" || field == "code_type" || field == "proofed_at":
		if len(all) > 12 {
			return string(all[:12]) + "…"
		}
		return string(all)
	case len(all) < 6:
		return strings.Repeat("*", len(all))
	}
	return string(all[:2]) + strings.Repeat("*", min(len(all)-3, 14)) + string(all[len(all)-1:])
}
