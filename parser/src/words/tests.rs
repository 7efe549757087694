use super::*;

fn env(name: &str) -> Option<String> {
    let value = match name {
        "x" => "value",
        "e" => "",
        "two" => "a  b",
        "path" => "/usr/lib/lib.so.1",
        "żółw" => "turtle",
        "lines" => "a\nb",
        _ => return None,
    };
    Some(value.to_owned())
}

#[track_caller]
fn check(word: &str, expect: &str) {
    assert_eq!(expand_word(word, '\\', &env).as_deref(), Ok(expect), "{word}");
}

#[track_caller]
fn fails(word: &str, expect: &str) {
    let error = expand_word(word, '\\', &env).expect_err(word);
    assert_eq!(error.to_string(), expect, "{word}");
}

#[test]
fn quotes_and_escapes_go() {
    check("plain", "plain");
    check(r#"a'b "c'd"e 'f"g"#, r#"ab "cde 'fg"#);
    check(r"a\ b\'c\\d\te", r"a b'c\dte");
    check(r#""a\tb\"c\\d\$x""#, r#"a\tb"c\d$x"#);
    check(r"'a\b$x'", r"a\b$x");
    check(r"end\", "end");
    fails("'a", "no closing single quote");
    fails(r#""a\""#, "no closing double quote");
}

#[test]
fn a_backtick_may_be_the_escape() {
    let expand = |word| expand_word(word, '`', &env);
    assert_eq!(expand(r#"a`$x"`"b`q"c\d"#), Ok(r#"a$x"b`qc\d"#.to_owned()));
    assert_eq!(expand("'`'"), Ok("`".to_owned()));
}

#[test]
fn plain_variables() {
    check("$x ${x} $x.y ${x}y $xy|", "value value value.y valuey |");
    check("$e|${e}|$nope|${nope}", "|||");
    check("$ $. a$", "$ $. a$");
    check("$1x $12x ${1} $@@ $$x $? $-|", "x x  @ x  |");
    check("$żółw", "turtle");
    check(r#""$x" '$x' \$x"#, "value $x $x");
    fails("${", "missing `}` in a substitution");
    fails("${x", "missing `}` in a substitution");
    fails("${}", "bad substitution: no variable name after `${`");
    fails("${:-a}", "bad substitution: no variable name after `${`");
    fails("${{x}", "bad substitution: no variable name after `${`");
    fails("${x!}", "unsupported modifier `!` in a substitution");
    fails("${x:=a}", "unsupported modifier `:=` in a substitution");
    fails("${x:#a}", "unsupported modifier `:#` in a substitution");
}

#[test]
fn defaults_and_alternatives() {
    check("${x-w} ${e-w} ${n-w}|${x:-w} ${e:-w} ${n:-w}", "value  w|value w w");
    check("${x+w} ${e+w} ${n+w}|${x:+w} ${e:+w} ${n:+w}", "w w |w  ");
    check("${n:-$x} ${n:-${m:-${x}}} ${n:-'a}b'} ${n:-\"a b\"} ${n:-a\\}b}", "value value a}b a b a}b");
    check("${n-}|${n:-a b}", "|a b");
    check("${x?}${e?}${x:?}", "value".repeat(2).as_str());
    fails("${n?}", "n: is not allowed to be unset");
    fails("${n?gone $x}", "n: gone value");
    fails("${e:?}", "e: is not allowed to be empty");
    fails("${n:-$", "missing `}` in a substitution");
}

#[test]
fn prefixes_and_suffixes() {
    check("${path#*/}|${path##*/}|${path%/*}|${path%%/*}", "usr/lib/lib.so.1|lib.so.1|/usr/lib|");
    check(
        "${path%.*}|${path%%.*}|${path#/usr}|${path#nope}",
        "/usr/lib/lib.so|/usr/lib/lib|/lib/lib.so.1|/usr/lib/lib.so.1",
    );
    check("${x#?}|${x##?a}|${x%?}|${n#a}|${x#}", "alue|lue|valu||value");
    check(r"${path#\/usr}|${x#\*}", "/lib/lib.so.1|value");
    check("${lines#*}|${lines##*}|${lines##*b}", "a\nb|\nb|a\nb");
    fails(r"${x#\a}", r"invalid pattern `\a` in a substitution");
}

#[test]
fn replacements() {
    check(
        "${path/lib/LIB}|${path//lib/LIB}|${path//\\//:}",
        "/usr/LIB/lib.so.1|/usr/LIB/LIB.so.1|:usr:lib:lib.so.1",
    );
    check("${x/a*/-}|${x/*/-}|${x//?/-}|${x/n/-}|${x/l/}", "v-|-|-----|value|vaue");
    check("${x//*/r}|${e/*/r}|${x//x*/r}|${x///-}", "r|r|value|-v-a-l-u-e-");
    check("${x/#v/-}|${x/%e/-}", "value|value");
    check("${x/a/\\$1}|${x/$x/$path}", r"v\$1lue|/usr/lib/lib.so.1");
    fails(r"${x/\.*/}", r"invalid pattern `\.*` in a substitution");
    fails("${x/a}", "missing `/` in a substitution");
    fails("${x/a/b", "missing `}` in a substitution");
}

#[test]
fn words_split_at_open_blanks() {
    let words = |text| expand_words(text, '\\', &env).map(|words| words.join("|"));
    assert_eq!(words(" a  $two\tc "), Ok("a|a|b|c".to_owned()));
    assert_eq!(words(r#"a"$two"c '' 'd e' f\ g"#), Ok("aa  bc|d e|f g".to_owned()));
    assert_eq!(words("x${n:-a b}y"), Ok("xa|by".to_owned()));
    assert_eq!(words("$e $n"), Ok(String::new()));
}

#[test]
fn names_are_reported() {
    let found = expand("$x ${n:-$e} ${m+$q} '$no'", '\\', &env).expect("expands");
    let names = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!((names(&found.used), names(&found.unset)), ("e m n q x".to_owned(), "m n q".to_owned()));
}

#[test]
fn heredocs_keep_quotes() {
    let text = |body| expand_heredoc(body, &env).map(|found| found.text);
    assert_eq!(text("it's \"$x\" \\$x \\\\ a\\b `\n"), Ok("it's \"value\" $x \\ ab `\n".to_owned()));
    assert_eq!(text("a << b\n"), Ok("a << b\n".to_owned()));
}

#[test]
fn display_keeps_what_is_unset() {
    let text = |line| expand_display(line, '\\', &env).map(|found| found.text);
    assert_eq!(
        text("echo \"$x\" '$n' $n ${n} ${n:-a}"),
        Ok("echo \"value\" '$n' $n ${n} ${n:-a}".to_owned())
    );
}

#[test]
fn depth_has_a_limit() {
    let nested = |depth: usize| format!("{}a{}", "${n-".repeat(depth), "}".repeat(depth));
    assert_eq!(expand_word(&nested(MAX_DEPTH), '\\', &env), Ok("a".to_owned()));
    assert_eq!(expand_word(&nested(MAX_DEPTH + 1), '\\', &env), Err(ExpandError::TooDeep));
}

#[test]
fn length_has_a_limit() {
    let bomb = |depth: usize| format!("{}a{}", "${x//?/".repeat(depth), "}".repeat(depth));
    assert_eq!(expand_word(&bomb(5), '\\', &env).map(|text| text.len()), Ok(5usize.pow(5)));
    assert_eq!(expand_word(&bomb(50), '\\', &env), Err(ExpandError::TooLong));
    let long = |_: &str| Some("x".repeat(MAX_LENGTH / 4));
    assert_eq!(expand_word("$a$a$a$a", '\\', &long).map(|text| text.len()), Ok(MAX_LENGTH));
    assert_eq!(expand_word("$a$a$a$a$a", '\\', &long), Err(ExpandError::TooLong));
    assert_eq!(expand_heredoc("$a$a$a$a$a", &long).map(|found| found.text.len()), Ok(5 * MAX_LENGTH / 4));
}

#[test]
fn patterns_take_linear_time() {
    // Tried at each place and to the end, this would take minutes.
    let long = |_: &str| Some("a".repeat(MAX_LENGTH / 2));
    assert_eq!(expand_word("${a//*a*b/x}", '\\', &long).map(|text| text.len()), Ok(MAX_LENGTH / 2));
    assert_eq!(expand_word("${a%%b*a*a}", '\\', &long).map(|text| text.len()), Ok(MAX_LENGTH / 2));
}
