// error-branches.ts: finds every branch of the sources that handles an error.
//
// A branch is a catch clause, or a block, an arm of a conditional or a function that does what code
// does about errors: it throws, answers a negative code, counts something as refused, reports a
// failure or follows from a result that is not Ok. Assertions are none: a broken invariant has no
// way to be brought about by a test. The compiler's own parser finds them.

import { resolve } from 'node:path';
import * as ast from 'typescript/unstable/ast';
import { API } from 'typescript/unstable/sync';

/** Why a branch counts. */
export type BranchKind = 'catch' | 'handler' | 'throw' | 'code' | 'count' | 'report' | 'result';

/** One branch that handles an error. Lines and columns count from 0, in UTF-16 units. */
export interface ErrorBranch {
  readonly file: string;
  /** Names of the class, the method and the functions around it, joined by dots. */
  readonly functionName: string;
  readonly kind: BranchKind;
  /** Begin of the text of the statement that is measured, in one line. */
  readonly text: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
}

/** A name for a branch that is unique as long as the sources stay the same. */
export function placeOf({ file, line, column }: ErrorBranch): string {
  return `${file}:${line + 1}:${column + 1}`;
}

const TEXT_LENGTH_MAX = 72;

/** Counters with such names count what went wrong. */
const COUNTER_NAME =
  /drop|reject|ignored|refus|invalid|stale|unknown|fail|error|undeliver|stranger|backPressure/i;

/** Functions with such names take a failure further. */
const REPORT_NAME =
  /^#?(on(Fatal|Failure|Error|Warning)|poison|fail(ed)?|refused?|reject|countError|endProcess)$/;

/** Parameters of functions that are called with an error. */
const ERROR_PARAMETER = /^(error|failure|cause|reason)$/;

/** Constants with such names mean "none", and no error. */
const NULL_NAME = /(_NULL|_NONE|_LOW|_MIN)$/;

/** Names that stand for negative result codes: constants, and members of tables of constants. */
export type ResultNames = ReadonlySet<string>;

type Found = { readonly kind: BranchKind; readonly node: ast.Node };

/** Parses the project and finds the error branches of the files below some folders. */
export function findErrorBranches(root: string, folders: readonly string[]): ErrorBranch[] {
  const api = new API({ cwd: root });
  try {
    const snapshot = api.updateSnapshot({ openProject: resolve(root, 'tsconfig.json') });
    const program = snapshot.getProjects()[0]?.program;
    if (program === undefined) {
      throw new Error(`${root} holds no TypeScript project`);
    }
    const names = program.getSourceFileNames().map((name) => resolve(root, name));
    const isBelow = (name: string, folder: string): boolean =>
      name.startsWith(`${resolve(root, folder)}/`);
    const own = names.filter((name) => ['src', ...folders].some((f) => isBelow(name, f)));
    const codes = new Set<string>();
    for (const name of own) {
      const source = program.getSourceFile(name);
      if (source !== undefined) {
        collectResultNames(source, codes);
      }
    }
    return own
      .filter((name) => folders.some((folder) => isBelow(name, folder)))
      .sort()
      .flatMap((name) => {
        const source = program.getSourceFile(name);
        return source === undefined
          ? []
          : branchesOf(source, name.slice(resolve(root).length + 1), codes);
      });
  } finally {
    api.close();
  }
}

/** Adds the names that a file declares for negative results. */
function collectResultNames(node: ast.Node, into: Set<string>): void {
  if (ast.isVariableDeclaration(node) && node.initializer !== undefined) {
    const name = textOf(node.name);
    const value = ast.isAsExpression(node.initializer)
      ? node.initializer.expression
      : node.initializer;
    if (isNegative(value) && !NULL_NAME.test(name)) {
      into.add(name);
    }
    if (ast.isObjectLiteralExpression(value)) {
      for (const member of value.properties) {
        if (ast.isPropertyAssignment(member) && isNegative(member.initializer)) {
          into.add(`${name}.${textOf(member.name)}`);
        }
      }
    }
  }
  node.forEachChild((child) => collectResultNames(child, into));
}

/** The error branches of one file, in the order of its text. */
export function branchesOf(
  source: ast.SourceFile,
  file: string,
  codes: ResultNames,
): ErrorBranch[] {
  const found = new Map<ast.Node, Found>();
  const visit = (node: ast.Node): void => {
    for (const item of classify(node, codes)) {
      const container = containerOf(item.node);
      if (!found.has(container)) {
        found.set(container, item);
      }
    }
    node.forEachChild(visit);
  };
  visit(source);
  return [...found.values()]
    .map(({ kind, node }) => branchAt(source, file, kind, node))
    .sort((a, b) => a.line - b.line || a.column - b.column);
}

function branchAt(
  source: ast.SourceFile,
  file: string,
  kind: BranchKind,
  node: ast.Node,
): ErrorBranch {
  const start = node.getStart(source);
  const from = source.getLineAndCharacterOfPosition(start);
  const to = source.getLineAndCharacterOfPosition(node.end);
  const text = source.text.slice(start, node.end).replaceAll(/\s+/g, ' ');
  return {
    file,
    functionName: functionNameOf(node),
    kind,
    text: text.slice(0, TEXT_LENGTH_MAX),
    line: from.line,
    column: from.character,
    endLine: to.line,
    endColumn: to.character,
  };
}

/** What a node says about the branches below or around it. */
function classify(node: ast.Node, codes: ResultNames): Found[] {
  if (ast.isCatchClause(node)) {
    return [{ kind: 'catch', node: node.block.statements[0] ?? node.block }];
  }
  if (ast.isThrowStatement(node)) {
    return [{ kind: 'throw', node }];
  }
  if (ast.isArrowFunction(node) || ast.isFunctionExpression(node)) {
    return isErrorHandler(node) ? [{ kind: 'handler', node: firstOf(node.body) }] : [];
  }
  if (ast.isIfStatement(node)) {
    return followsFailure(node.expression, codes)
      ? [{ kind: 'result', node: firstOf(node.thenStatement) }]
      : [];
  }
  if (ast.isPrefixUnaryExpression(node) || ast.isPostfixUnaryExpression(node)) {
    const isStep =
      node.operator === ast.SyntaxKind.PlusPlusToken && COUNTER_NAME.test(lastNameOf(node.operand));
    return isStep ? [{ kind: 'count', node: statementOf(node) }] : [];
  }
  if (ast.isBinaryExpression(node)) {
    const isSum = node.operatorToken.kind === ast.SyntaxKind.PlusEqualsToken;
    const isCount = isSum && COUNTER_NAME.test(lastNameOf(node.left));
    return isCount ? [{ kind: 'count', node: statementOf(node) }] : [];
  }
  if (ast.isCallExpression(node)) {
    const isReport = REPORT_NAME.test(lastNameOf(node.expression));
    return isReport ? [{ kind: 'report', node: statementOf(node) }] : [];
  }
  return isAnswer(node) && isFailureValue(node, codes) ? [{ kind: 'code', node }] : [];
}

/** What a function answers: the expression of a return, an arm of it, or a body of an arrow. */
function isAnswer(node: ast.Node): boolean {
  const parent = node.parent;
  if (parent === undefined) {
    return false;
  }
  if (ast.isConditionalExpression(parent)) {
    return parent.condition !== node && isAnswer(parent);
  }
  if (ast.isParenthesizedExpression(parent)) {
    return isAnswer(parent);
  }
  return ast.isReturnStatement(parent) || (ast.isArrowFunction(parent) && parent.body === node);
}

function isFailureValue(node: ast.Node, codes: ResultNames): boolean {
  if (ast.isNewExpression(node)) {
    return /Error$/.test(lastNameOf(node.expression));
  }
  if (ast.isPropertyAccessExpression(node)) {
    return codes.has(`${lastNameOf(node.expression)}.${textOf(node.name)}`);
  }
  return isNegative(node) || (ast.isIdentifier(node) && codes.has(textOf(node)));
}

/** Does a condition hold because something failed? */
function followsFailure(condition: ast.Node, codes: ResultNames): boolean {
  if (!ast.isBinaryExpression(condition)) {
    return false;
  }
  const { left, right } = condition;
  const operator = condition.operatorToken.kind;
  const K = ast.SyntaxKind;
  switch (operator) {
    case K.AmpersandAmpersandToken:
    case K.BarBarToken:
      return followsFailure(left, codes) || followsFailure(right, codes);
    case K.InstanceOfKeyword:
      return /Error$/.test(lastNameOf(right));
    case K.LessThanToken:
      return textOf(right) === '0';
    case K.EqualsEqualsEqualsToken:
      return isFailureValue(right, codes);
    case K.ExclamationEqualsEqualsToken:
      return (
        textOf(right) === 'StorageResult.Ok' ||
        (/^(undefined|null)$/.test(textOf(right)) && /fail|error|poison/i.test(lastNameOf(left)))
      );
    default:
      return false;
  }
}

function isErrorHandler(node: ast.ArrowFunction | ast.FunctionExpression): boolean {
  const parameter = node.parameters[0];
  const isNamed = parameter !== undefined && ERROR_PARAMETER.test(textOf(parameter.name));
  const call = node.parent;
  const isRejection = ast.isCallExpression(call) && lastNameOf(call.expression) === 'catch';
  return isNamed || isRejection;
}

function isNegative(node: ast.Node): boolean {
  return (
    ast.isPrefixUnaryExpression(node) &&
    node.operator === ast.SyntaxKind.MinusToken &&
    ast.isNumericLiteral(node.operand)
  );
}

/** The last name of `a.b.#c`. */
function lastNameOf(node: ast.Node): string {
  return ast.isPropertyAccessExpression(node) ? textOf(node.name) : textOf(node);
}

function textOf(node: ast.Node): string {
  return node.getText();
}

function firstOf(node: ast.Node): ast.Node {
  return ast.isBlock(node) ? (node.statements[0] ?? node) : node;
}

/** The statement, the arm of a conditional or the body of an arrow that an expression is in. */
function statementOf(node: ast.Node): ast.Node {
  let at = node;
  while (!ast.isStatement(at) && !isBranchStart(at)) {
    at = at.parent;
  }
  return at;
}

/** Is a node all that one way through the code executes? */
function isBranchStart(node: ast.Node): boolean {
  const parent = node.parent;
  if (parent === undefined) {
    return true;
  }
  if (ast.isConditionalExpression(parent)) {
    return parent.condition !== node;
  }
  if (ast.isIfStatement(parent)) {
    return parent.expression !== node;
  }
  if (ast.isBinaryExpression(parent)) {
    const K = ast.SyntaxKind;
    const shortcuts: ast.SyntaxKind[] = [
      K.QuestionQuestionToken,
      K.AmpersandAmpersandToken,
      K.BarBarToken,
    ];
    return parent.right === node && shortcuts.includes(parent.operatorToken.kind);
  }
  return ast.isArrowFunction(parent) && parent.body === node;
}

/** The block, clause, arm or file whose way through the code a node is on. */
function containerOf(node: ast.Node): ast.Node {
  let at = node;
  for (;;) {
    const parent = at.parent;
    if (parent === undefined || isBranchStart(at)) {
      return at;
    }
    if (ast.isBlock(parent) || ast.isSourceFile(parent) || isSwitchPart(parent)) {
      return blockAfterReturns(parent, at);
    }
    at = parent;
  }
}

/** Within one block, what stands behind an `if` that leaves is a way of its own. */
function blockAfterReturns(block: ast.Node, statement: ast.Node): ast.Node {
  let last: ast.Node = block;
  block.forEachChild((child) => {
    if (child.pos < statement.pos && ast.isIfStatement(child)) {
      last = child;
    }
  });
  return last;
}

function functionNameOf(node: ast.Node): string {
  const names: string[] = [];
  for (let at = node.parent; at !== undefined; at = at.parent) {
    const name = declaredName(at);
    if (name !== undefined) {
      names.unshift(name);
    }
  }
  return names.join('.');
}

/** The name of what declares functions or is one; undefined for any other node. */
function declaredName(node: ast.Node): string | undefined {
  if (ast.isConstructorDeclaration(node)) {
    return 'constructor';
  }
  if (
    ast.isFunctionDeclaration(node) ||
    ast.isMethodDeclaration(node) ||
    ast.isClassDeclaration(node) ||
    ast.isGetAccessorDeclaration(node) ||
    ast.isSetAccessorDeclaration(node) ||
    ast.isPropertyDeclaration(node)
  ) {
    return node.name === undefined ? undefined : textOf(node.name);
  }
  return undefined;
}

function isSwitchPart(node: ast.Node): boolean {
  return ast.isCaseClause(node) || ast.isDefaultClause(node);
}
